"""The learner's side of the wire: answer one request about a namespace.

A request says where to look, whether to call what is found there, and how to
deliver the result::

    {"path": "mask_padding", "call": ([[5, 1, 0]], {"pad": 0}), "deliver": "value", "code": ""}

`code` is the course's own: functions that are defined for this request alone, beside the
learner's names. The reply is `{"status": "ok", "value": ...}`, or a status that says why there
is no value: `missing`, `not started`, `crashed`, `refused`, or `unavailable`
when something of the course's own could not be loaded. This side runs where the
learner's code runs, so nothing here is trusted by the other side.
"""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from course_utils.wire import codec
from course_utils.wire.codec import CodecError
from course_utils.wire.references import Asset, Folder, Rows, Variable

MESSAGE_CHARACTERS = 500


class _Missing(LookupError):
    pass


class _Unavailable(Exception):
    pass


def respond(request: bytes, namespace: dict, load_asset: Callable[[Asset], object]) -> bytes:
    """Return the encoded reply to one encoded request.

    `namespace` is the notebook's global variables; `load_asset` makes what an
    `Asset` stands for. `KeyboardInterrupt` is let through: it is how a
    person, or the grader's clock, stops a call.
    """
    try:
        asked = codec.decode(request)
        reply = {"status": "ok", "value": _deliver(asked, namespace, load_asset)}
        return codec.encode(reply, codec.MODEL if asked["deliver"] in _LARGE else codec.DATA)
    except _Missing as error:
        reply = {"status": "missing", "message": str(error)}
    except _Unavailable as error:
        reply = {"status": "unavailable", "message": str(error)}
    except NotImplementedError as error:
        reply = {"status": "not started", "message": _short(error)}
    except CodecError as error:
        reply = {"status": "refused", "message": _short(error)}
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit and friends are the learner's crash, not ours
        reply = {"status": "crashed", **describe_error(error, namespace)}
    return codec.encode(reply)


def describe_error(error: BaseException, namespace: dict) -> dict:
    """The kind and text of an error, and the last line of the learner's code it passed.

    Returns `{"kind": "KeyError", "message": "'labels'", "line": "row[name] (line 3)"}`;
    `line` is empty where no frame ran in `namespace`.
    """
    line = ""
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_globals is namespace:
            source = linecache.getline(frame.f_code.co_filename, number).strip()
            line = f"{source} (line {number})" if source else f"line {number}"
    return {"kind": type(error).__name__, "message": _short(error), "line": line[:MESSAGE_CHARACTERS]}


def _short(error: BaseException) -> str:
    try:
        return str(error)[:MESSAGE_CHARACTERS]
    except BaseException:  # an exception's __str__ is the learner's code too
        return ""


def _deliver(request: dict, namespace: dict, load_asset: Callable[[Asset], object]) -> object:
    if code := request.get("code"):
        namespace = dict(namespace)  # what the code defines is gone with the request
        exec(compile(code, "<given>", "exec"), namespace)
    found = _find(request["path"], namespace)
    if request["call"] is not None:
        arguments, keywords = _resolved(request["call"], namespace, load_asset)
        found = found(*arguments, **keywords)
    return _DELIVERIES[request["deliver"]](found)


def _find(path: str, namespace: dict) -> Any:
    """The object at a dotted path: a variable, then attributes."""
    first, *rest = path.split(".")
    if first not in namespace:
        raise _Missing(first)
    found = namespace[first]
    for name in rest:
        try:
            found = getattr(found, name)
        except AttributeError:
            raise _Missing(path) from None
    return found


def _resolved(value: Any, namespace: dict, load_asset: Callable[[Asset], object]) -> Any:
    """`value` with every reference in it replaced by what it stands for."""
    if isinstance(value, Asset):
        return _loaded(value, load_asset)
    if isinstance(value, Variable):
        return _find(value.path, namespace)
    if isinstance(value, Rows):
        return _dataset(value)
    if type(value) is dict:
        return {key: _resolved(item, namespace, load_asset) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_resolved(item, namespace, load_asset) for item in value)
    return value


def _loaded(asset: Asset, load_asset: Callable[[Asset], object]) -> object:
    try:
        return load_asset(asset)
    except Exception as error:  # not the learner's fault, so it must not look like a crash of theirs
        raise _Unavailable(f"{asset.name} ({asset.kind}) could not be loaded: {_short(error)}") from error


def _dataset(rows: Rows) -> object:
    from datasets import Dataset

    return Dataset(rows.table)


def _value(found: object) -> object:
    return found


def _state(found: object) -> str:
    return "empty" if found is None else type(found).__name__[:100]


def _model(found: object) -> Folder:
    from course_utils.wire import models

    if isinstance(found, (str, Path)):
        return _folder(found)
    return models.pack(found)


def _weights(found: Any) -> dict:
    if not hasattr(found, "state_dict"):
        raise CodecError(f"a {type(found).__name__} has no weights (no state_dict method)")
    return dict(found.state_dict())


def _folder(found: object) -> Folder:
    if not isinstance(found, (str, Path)) or not Path(found).is_dir():
        raise CodecError("it is not the path of an existing folder")
    root = Path(found)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    if len(files) > codec.MODEL.files:
        raise CodecError(f"the folder holds more than {codec.MODEL.files} files")
    return Folder({path.relative_to(root).as_posix(): path.read_bytes() for path in files})


_DELIVERIES = {"value": _value, "state": _state, "model": _model, "weights": _weights, "folder": _folder}
_LARGE = ("model", "weights", "folder")


def asset_loader(
    model_path: Callable[[str], str], dataset_path: Callable[[str], str]
) -> Callable[[Asset], object]:
    """A function that makes what an `Asset` stands for, always afresh.

    `model_path` and `dataset_path` turn a catalog name into a local folder; the
    course's `course.model` and `course.dataset` are such functions.
    """

    def load(asset: Asset) -> object:
        if asset.kind == "dataset":
            from datasets import load_dataset

            return load_dataset(dataset_path(asset.name), split=asset.split)
        path = model_path(asset.name)
        if asset.kind == "path":
            return path
        if asset.kind == "tokenizer":
            from transformers import AutoTokenizer

            return AutoTokenizer.from_pretrained(path)
        from course_utils.wire import models

        return models.load(path)

    return load

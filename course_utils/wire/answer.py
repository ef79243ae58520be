"""The trusted side of the wire: ask a learner's code for plain data.

An `Answer` is what a check is given. Behind it stands a transport, which
carries an encoded request to where the learner's code runs and brings the encoded
reply back: `LocalTransport` in the learner's own notebook,
`WorkerTransport` over pipes in grading. Both pass through the same codec,
so what a check sees is the same in both places.
"""

from __future__ import annotations

import functools
import inspect
import textwrap
import time
import types
from collections.abc import Callable
from typing import Any, Protocol

from course_utils.text import printable
from course_utils.wire import codec
from course_utils.wire.codec import Bounds, CodecError
from course_utils.wire.learner import respond
from course_utils.wire.pipes import ASK, Limit, Pipe
from course_utils.wire.references import Asset, Folder, Record

CALL_SECONDS = 60.0


class AnswerError(Exception):
    """Why a request to the learner's side brought no value; `path` is what was asked for."""

    def __init__(self, path: str, message: str = "") -> None:
        super().__init__(message or path)
        self.path = path
        self.message = message


class Missing(AnswerError):
    """The notebook holds nothing of that name."""


class NotStarted(AnswerError):
    """The stub is still there: it raised `NotImplementedError`."""


class NotPlainData(AnswerError):
    """What came is not plain data, or too much of it."""


class TimedOut(AnswerError):
    """The call took longer than its limit."""


class Lost(AnswerError):
    """The learner's process is gone."""


class Unavailable(AnswerError):
    """Something of the course's own could not be loaded there: nobody's mistake."""


class Crashed(AnswerError):
    """The learner's code raised; `kind` is the exception's name, `line` where it was."""

    def __init__(self, path: str, kind: str, message: str, line: str) -> None:
        super().__init__(path, message)
        self.kind = kind
        self.line = line


class Uncomputable(AnswerError):
    """A learner's model was rebuilt, and what the check asked it for cannot be computed with it."""


#: What a computation with something that a learner made can raise through no fault of whoever asks for it.
UNCOMPUTABLE = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class Transport(Protocol):
    """Carries one encoded request there and the encoded reply back.

    Raises `TimeoutError` past `seconds` and `ConnectionError` when the other
    side is gone.
    """

    def ask(self, request: bytes, seconds: float, bounds: Bounds) -> bytes: ...


class LocalTransport:
    """Serves requests from a namespace in this process (the learner's notebook).

    The time limit is looked at afterwards only: a person can interrupt a notebook.
    """

    def __init__(self, namespace: dict, load_asset: Callable[[Asset], object]) -> None:
        self._namespace = namespace
        self._load_asset = load_asset

    def ask(self, request: bytes, seconds: float, bounds: Bounds) -> bytes:
        started = time.monotonic()
        reply = respond(request, self._namespace, self._load_asset)
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"took longer than {seconds:.0f} s")
        return reply


class WorkerTransport:
    """Sends requests to a worker process over a `Pipe`.

    Replies carry the number of their request; one that comes late, twice or for
    another question is dropped.
    """

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    def ask(self, request: bytes, seconds: Limit, bounds: Bounds) -> bytes:
        return self._pipe.exchange(ASK, request, seconds, bounds.bytes)


class Answer:
    """What a learner made, asked for by name; every result is plain data.

    Every method raises an `AnswerError` when there is no value to give;
    checks let those pass, the framework turns them into messages.
    """

    def __init__(
        self, transport: Transport, seconds: float = CALL_SECONDS, code: str = "", exact: bool = False
    ) -> None:
        self._transport = transport
        self._seconds = seconds
        self._code = code
        self._exact = exact

    def exact(self) -> Answer:
        """The same answer, whose tensors of no dimension stay tensors: for states of weights."""
        return Answer(self._transport, self._seconds, self._code, exact=True)

    def within(self, seconds: float) -> Answer:
        """The same answer, whose calls may take up to `seconds` each."""
        return Answer(self._transport, seconds, self._code, self._exact)

    def given(self, *functions: Callable) -> Answer:
        """The same answer, with these functions of the course's beside the learner's names.

        They are sent as source and defined afresh for each request, so what the notebook holds
        under their names does not matter. They see the learner's names as their globals, and have
        to import what else they use. They run where the learner's code runs, so what they return
        is a claim like any other: judge it by values that nobody has without the work.
        """
        code = "\n\n".join(textwrap.dedent(inspect.getsource(function)) for function in functions)
        return Answer(self._transport, self._seconds, code, self._exact)

    def state(self, path: str) -> str | None:
        """`None` if nothing has that name, `"empty"` if it is `None`, else its type's name."""
        try:
            return self._text(self._ask(path, None, "state"), path)
        except Missing:
            return None

    def value(self, path: str) -> Any:
        """The plain data at `path`, a variable's name or a dotted path such as `"args.learning_rate"`."""
        return self._plain(self._ask(path, None, "value"))

    def call(self, path: str, /, *arguments: object, **keywords: object) -> Any:
        """What the function at `path` returns for these arguments, as plain data.

        Arguments are plain data or references (`Asset`,
        `Variable`, `Rows`); the function gets its own copy of each.
        """
        return self._plain(self._ask(path, (arguments, keywords), "value"))

    def left(self, name: str, /, *arguments: object) -> list:
        """These arguments as they are when the learner's function `name` has been called with them."""
        return self.given(call_and_look).call("call_and_look", name, list(arguments))

    def model(self, path: str) -> Any:
        """The model at `path`, rebuilt here from its config and weights: float32, CPU, eval mode.

        A Transformers model, a PEFT (LoRA) model, or the path of a folder that
        `save_pretrained` wrote.
        """
        return self._rebuilt(path, None)

    def built(self, path: str, /, *arguments: object, **keywords: object) -> Any:
        """The model that the function at `path` returns, rebuilt here like `model`."""
        return self._rebuilt(path, (arguments, keywords))

    def weights(self, path: str) -> dict:
        """The weights of any PyTorch module at `path`: a dict of name to tensor."""
        return self._expect(self._ask(path, None, "weights", codec.MODEL), dict, path)

    def folder(self, path: str) -> Folder:
        """The files of the folder whose path is the value at `path`."""
        return self._expect(self._ask(path, None, "folder", codec.MODEL), Folder, path)

    def _plain(self, value: Any) -> Any:
        return value if self._exact else _scalars(value)

    def _rebuilt(self, path: str, call: tuple | None) -> Any:
        from course_utils.wire import models

        folder = self._expect(self._ask(path, call, "model", codec.MODEL), Folder, path)
        try:
            return _guarded(models.rebuild(folder), path)
        except CodecError as error:
            raise NotPlainData(path, str(error)) from error

    def _ask(self, path: str, call: tuple | None, deliver: str, bounds: Bounds = codec.DATA) -> Any:
        request = codec.encode({"path": path, "call": call, "deliver": deliver, "code": self._code})
        try:
            reply = codec.decode(self._transport.ask(request, self._seconds, bounds), bounds)
        except TimeoutError:
            raise TimedOut(path, f"took longer than {self._seconds:.0f} s") from None
        except ConnectionError as error:
            raise Lost(path, str(error)) from None
        except CodecError as error:
            raise NotPlainData(path, str(error)) from error
        return self._opened(reply, path)

    def _opened(self, reply: Any, path: str) -> Any:
        status = reply.get("status") if type(reply) is dict else None
        if status == "ok" and "value" in reply:
            return reply["value"]
        message = self._text(reply.get("message", ""), path) if type(reply) is dict else ""
        if status == "missing":
            raise Missing(path, message)
        if status == "not started":
            raise NotStarted(path, message)
        if status == "unavailable":
            raise Unavailable(path, message)
        if status == "refused":
            raise NotPlainData(path, message)
        if status == "crashed":
            kind, line = self._text(reply.get("kind", ""), path), self._text(reply.get("line", ""), path)
            raise Crashed(path, kind, message, line)
        raise NotPlainData(path, "the reply is not one we know")

    def _text(self, value: object, path: str) -> str:
        """A text for people: bounded, and without what a terminal or a page could take for an order."""
        return printable(self._expect(value, str, path), 1000)

    def _expect(self, value: object, kind: type, path: str) -> Any:
        if type(value) is not kind:
            raise NotPlainData(path, f"the reply holds a {type(value).__name__}, not a {kind.__name__}")
        return value


def call_and_look(name: str, arguments: list) -> list:
    """For `Answer.left`: runs beside the learner's names."""
    globals()[name](*arguments)
    return arguments


def _guarded(model: Any, path: str) -> Any:
    """The same model, which raises `Uncomputable` for what it cannot do: that is no fault of a check's."""
    for name in ("forward", "generate"):
        method = getattr(type(model), name, None)
        if method is not None:
            setattr(
                model, name, types.MethodType(_guarding(method, path), model)
            )  # a copy's own, when copied
    return model


def _guarding(method: Callable, path: str) -> Callable:
    @functools.wraps(method)
    def guarding(*arguments: Any, **keywords: Any) -> Any:
        try:
            return method(*arguments, **keywords)
        except UNCOMPUTABLE as error:
            raise Uncomputable(path, f"{type(error).__name__}: {printable(str(error), 300)}") from error

    return guarding


def _scalars(value: Any) -> Any:
    """The same value with each array or tensor of no dimension as the number that it holds.

    To a learner a 0-d tensor is a number, and so it is to a check.
    """
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value.item()
    if type(value) is dict:
        return {key: _scalars(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_scalars, value))
    if type(value) is Record:
        return Record(value.name, _scalars(value.fields))
    return value

"""Models across the wire: config and safetensors there, rebuilt here.

`pack` runs on the learner's side. `rebuild` runs on the trusted side
and uses only classes of Transformers and PEFT themselves: no code comes from the
files, and every tensor is accounted for before it is loaded.

A folder from there is hostile until shown otherwise. Of its configs only the fields below
are read, each bounded; an adapter's modules are those its tensors belong to, never a pattern
to be matched; of the generation config only the token ids are kept, so that nobody asks the
trusted side for a million beams.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from course_utils.wire.codec import CodecError
from course_utils.wire.references import Folder

CONFIG_BYTES = 2**20
# The families of the course's models. Another is a line here, once its config was looked at.
FAMILIES = ("t5", "bert", "distilbert", "gpt2")
LARGEST_INTEGER = 2**18
MOST_LAYERS = 128
MOST_HEADS = 256
MOST_BUFFERED = 2**26  # numbers in buffers that are no weights, such as a mask of positions squared
MODEL_FILES = frozenset(["config.json", "generation_config.json", "model.safetensors"])
ADAPTER_FILES = frozenset(["adapter_config.json", "adapter_model.safetensors"])
# Files that save_pretrained also writes and that a rebuilt model has no use for.
HARMLESS_FILES = frozenset(
    [
        "README.md",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "vocab.txt",
        "training_args.bin",
    ]
)
# What a config may say besides the fields of its class, and what of these is not a learner's to choose.
_MORE_FIELDS = frozenset(
    ["model_type", "tie_word_embeddings", "decoder_start_token_id", "is_gated_act", "dense_act_fn",
     "scale_decoder_outputs"]
)  # fmt: skip
_FIXED_FIELDS = frozenset(
    ["dtype", "return_dict", "output_hidden_states", "is_encoder_decoder", "chunk_size_feed_forward",
     "use_cache"]
)  # fmt: skip
_TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
# By method: what the config of an adapter may say, and the counts that it has to
# say, each with its largest value.
_PROMPT_FIELDS = frozenset(["num_virtual_tokens", "num_transformer_submodules"])
_ADAPTER_FIELDS = {
    "LORA": frozenset(
        ["r", "lora_alpha", "lora_dropout", "fan_in_fan_out", "bias", "lora_bias", "use_rslora", "use_dora",
         "rank_pattern", "alpha_pattern"]
    ),
    "IA3": frozenset(["fan_in_fan_out"]),
    "PROMPT_TUNING": _PROMPT_FIELDS,
    "PREFIX_TUNING": _PROMPT_FIELDS,
}  # fmt: skip
_ANY_ADAPTERS_FIELDS = frozenset(["peft_type", "task_type", "modules_to_save"])
_LARGEST_COUNTS = {"r": 1024, "num_virtual_tokens": 1024, "num_transformer_submodules": 2}
_LORA_TENSOR = re.compile(r"base_model\.model\.([\w.]+)\.lora_(?:embedding_)?[AB](?:\.weight)?\Z")
_IA3_TENSOR = re.compile(r"base_model\.model\.([\w.]+)\.ia3_l\Z")
_PLAIN_NAME = re.compile(r"[\w.]{1,200}\Z")


def pack(model: object) -> Folder:
    """The files a Transformers or PEFT model is rebuilt from.

    Raises `CodecError` for anything else (a hand-written module, say: ask
    for its weights instead).
    """
    from transformers import PreTrainedModel

    if type(model).__module__.startswith("peft.") and hasattr(model, "get_base_model"):
        return _pack_adapter(model)
    if not isinstance(model, PreTrainedModel):
        raise CodecError(f"it should be a Transformers or PEFT model, and is a {type(model).__name__}")
    files = _saved(model, MODEL_FILES)
    # A learner's subclass has weights like its parent's, and only the parent can be rebuilt.
    config = json.loads(files["config.json"]) | {"architectures": [_library_class(model)]}
    files["config.json"] = json.dumps(config).encode()
    return Folder(files)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and warnings for models that a check moves about."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _saved(model: Any, names: frozenset[str], below: str = "", **options: Any) -> dict[str, bytes]:
    """The files of these names that `save_pretrained` writes, in the folder `below` its own."""
    with tempfile.TemporaryDirectory() as folder, _quiet():
        model.save_pretrained(folder, **options)
        written = Path(folder, below)
        return {path.name: path.read_bytes() for path in written.iterdir() if path.name in names}


def _plainly(content: bytes, base: Any, adapter: str) -> bytes:
    """An adapter's config whose patterns are the modules' full names: no expression is matched over there."""
    config = json.loads(content)
    for pattern, usual in (("rank_pattern", "r"), ("alpha_pattern", "lora_alpha")):
        if config.get(pattern):
            held = {name: getattr(module, usual, None) for name, module in base.named_modules()}
            counts = ((name, each) for name, each in held.items() if isinstance(each, dict))
            found = {name: each[adapter] for name, each in counts if adapter in each}
            config[pattern] = {name: count for name, count in found.items() if count != config[usual]}
    return json.dumps(config).encode()


def expect_known_adapter(model: Any) -> None:
    """Raise `CodecError` where a PEFT model's active adapter is of a method that can't be rebuilt.

    A training may ask this before it begins, rather than its judge when it is over.
    """
    method = model.peft_config[_active_adapter(model)].peft_type
    _expect_known(str(getattr(method, "value", method)))


def _expect_known(method: str) -> None:
    if method not in _ADAPTER_FIELDS:
        raise CodecError(f"only {', '.join(_ADAPTER_FIELDS)} adapters can be rebuilt, not {method[:30]!r}")


def _active_adapter(model: Any) -> str:
    active = list(model.active_adapters)
    if len(active) != 1:
        raise CodecError(f"one adapter can be rebuilt, and {len(active)} are active; set_adapter chooses one")
    return active[0]


def _pack_adapter(model: Any) -> Folder:
    """The active adapter's own files at the top, the model below it under `base/`."""
    from safetensors.torch import save

    expect_known_adapter(model)
    base, adapter = model.get_base_model(), _active_adapter(model)
    config = base.config.to_dict() | {"architectures": [_library_class(base)]}
    weights = {name: value.detach().cpu().contiguous().clone() for name, value in base_weights(base).items()}
    files = _saved(
        model,
        ADAPTER_FILES,
        below="" if adapter == "default" else adapter,
        selected_adapters=[adapter],
        save_embedding_layers=False,
    )
    files["adapter_config.json"] = _plainly(files["adapter_config.json"], base, adapter)
    files["base/config.json"] = json.dumps(config, default=str).encode()
    files["base/model.safetensors"] = save(weights, metadata={"format": "pt"})
    return Folder(files)


def _library_class(model: Any) -> str:
    for kind in type(model).__mro__:
        if kind.__module__.startswith("transformers.models."):
            return kind.__name__
    raise CodecError(f"it is a {type(model).__name__}, which is not one of Transformers' models")


def base_weights(base: Any) -> dict:
    """The weights under a model's adapters, by the names they had before any was put on.

    PEFT keeps a wrapped layer's weight as `….base_layer.weight` and a copied
    module's first weights as `….original_module.…`.
    """
    weights = {}
    for name, value in base.state_dict().items():
        if ".modules_to_save." in name or ".lora_" in name or ".ia3_" in name:
            continue
        weights[name.replace(".base_layer.", ".").replace(".original_module.", ".")] = value
    return weights


def rebuild(folder: Folder) -> Any:
    """The model in `folder`: float32, on the CPU, in eval mode.

    Raises `CodecError` when files are missing, name classes that are not
    Transformers' or PEFT's own, or hold other tensors than the config calls for,
    and when the model cannot even read two tokens.
    """
    names = set(folder.files) - HARMLESS_FILES
    adapted = "adapter_config.json" in names
    allowed = ADAPTER_FILES | {f"base/{name}" for name in MODEL_FILES} if adapted else MODEL_FILES
    if not names <= allowed:
        raise CodecError(f"the folder holds {sorted(names - allowed)[0]!r}, which a model does not need")
    import torch

    try:
        # The random numbers of whoever asks must not depend on how a model is built.
        with tempfile.TemporaryDirectory() as place, _quiet(), torch.random.fork_rng(devices=[]):
            model = _rebuild_in(Path(place), folder, adapted).eval()
            _expect_it_reads(model)
            return model
    except CodecError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise  # of the grader's own disk
        raise CodecError(
            f"the model could not be rebuilt: {type(error).__name__}: {str(error)[:200]}"
        ) from error


def _expect_it_reads(model: Any) -> None:
    """Raise `CodecError` where a forward pass over the smallest of texts already fails."""
    import torch

    tokens = torch.zeros(1, 2, dtype=torch.long)
    given = {"decoder_input_ids": tokens} if model.config.is_encoder_decoder else {}
    try:
        with torch.no_grad():
            model(input_ids=tokens, **given)
    except Exception as error:
        raise CodecError(
            f"the model cannot read two tokens: {type(error).__name__}: {str(error)[:200]}"
        ) from error


def _rebuild_in(place: Path, folder: Folder, adapted: bool) -> Any:
    base = _write(place / "base", folder, "base/" if adapted else "", MODEL_FILES)
    if not adapted:
        return _load_checked(base)
    from peft import PeftModel

    adapter = _write(place / "adapter", folder, "", ADAPTER_FILES)
    _clean_adapter_config(adapter)
    model = _load_checked(base)
    _check_tensors(adapter / "adapter_model.safetensors", _adapter_shapes(_empty(base, type(model)), adapter))
    return PeftModel.from_pretrained(model, str(adapter), is_trainable=False)


def _write(place: Path, folder: Folder, prefix: str, names: frozenset[str]) -> Path:
    place.mkdir()
    for name in names:
        if prefix + name in folder.files:
            (place / name).write_bytes(folder.files[prefix + name])
    return place


def _read_config(path: Path) -> dict:
    if not path.is_file() or path.stat().st_size > CONFIG_BYTES:
        raise CodecError(f"{path.name} is missing or too large")
    config = json.loads(path.read_text(encoding="utf-8"))
    if type(config) is not dict:
        raise CodecError(f"{path.name} is not a JSON object")
    return config


def _load_checked(place: Path) -> Any:
    """Load the model in `place` after its config and tensors were looked at."""
    import torch

    config = _read_config(place / "config.json")
    kind = _model_class(config)
    config = _clean_config(config, kind)
    _check_sizes(config)
    (place / "config.json").write_text(json.dumps(config | {"dtype": "float32"}), encoding="utf-8")
    _clean_generation(place / "generation_config.json")
    empty = _empty(place, kind)
    if sum(buffer.numel() for buffer in empty.buffers()) > MOST_BUFFERED:
        raise CodecError("the config calls for larger masks and tables than can be held")
    tied = frozenset(getattr(empty, "all_tied_weights_keys", None) or ())
    _check_tensors(place / "model.safetensors", _shapes(empty.state_dict()), may_miss=tied)
    return kind.from_pretrained(
        str(place),
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        dtype=torch.float32,
    )


def _clean_config(config: dict, kind: Any) -> dict:
    """The fields of a config that its class has and that are a learner's to choose."""
    fields = {field.name for field in dataclasses.fields(kind.config_class)} | _MORE_FIELDS
    return {name: value for name, value in config.items() if name in fields - _FIXED_FIELDS}


def _clean_generation(path: Path) -> None:
    """Of a generation config, the token ids."""
    if not path.exists():
        return
    config = _read_config(path)
    kept = {name: config[name] for name in _TOKEN_IDS if _is_token_id(config.get(name))}
    path.write_text(json.dumps(kept), encoding="utf-8")


def _is_token_id(value: object) -> bool:
    if type(value) is list:
        return 0 < len(value) <= 16 and all(
            type(item) is int and 0 <= item < LARGEST_INTEGER for item in value
        )
    return type(value) is int and 0 <= value < LARGEST_INTEGER


def _check_sizes(config: dict) -> None:
    for key, value in config.items():
        most = MOST_LAYERS if "layer" in key else MOST_HEADS if "head" in key else LARGEST_INTEGER
        if type(value) is int and abs(value) > most:
            raise CodecError(f"the config's {key} of {value} is out of bounds")
        if type(value) is dict:
            _check_sizes(value)


def _model_class(config: dict) -> Any:
    """The class the config names, if it is one of Transformers' own models."""
    import transformers

    names = config.get("architectures")
    name = names[0] if type(names) is list and names else None
    kind = getattr(transformers, name, None) if type(name) is str else None
    if not isinstance(kind, type) or not issubclass(kind, transformers.PreTrainedModel):
        raise CodecError(f"the config names {str(name)[:60]!r}, which is not one of Transformers' models")
    if kind.__module__.split(".")[2:3] not in [[family] for family in FAMILIES]:
        raise CodecError(f"a {name} cannot be rebuilt here, only models of {', '.join(FAMILIES)}")
    return kind


def _empty(place: Path, kind: Any) -> Any:
    """The model that the config in `place` calls for, on the meta device, where a shape costs no memory."""
    import torch

    with torch.device("meta"):
        return kind(kind.config_class.from_pretrained(str(place), local_files_only=True))


def _adapter_shapes(empty: Any, place: Path) -> dict[str, tuple[int, ...]]:
    """The tensors that an adapter of the config in `place` saves, put on an empty base."""
    import torch
    from peft import PeftConfig, get_peft_model, get_peft_model_state_dict

    with torch.device("meta"):
        adapted = get_peft_model(empty, PeftConfig.from_pretrained(str(place)))
    return _shapes(get_peft_model_state_dict(adapted, save_embedding_layers=False))


def _shapes(tensors: dict) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in tensors.items()}


def _stored_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors in a file, which is not read any further than that."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise CodecError(f"{path.name} is missing")
    try:
        with safe_open(str(path), framework="pt") as tensors:
            return {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise CodecError(
            f"{path.name} is damaged or no safetensors file; save the model once more ({error})"
        ) from None


def _check_tensors(
    path: Path, expected: dict[str, tuple[int, ...]], may_miss: frozenset[str] = frozenset()
) -> None:
    """Every tensor in the file has the shape that is expected of it, and none is missing or extra."""
    found = _stored_shapes(path)
    wrong = [name for name, shape in found.items() if expected.get(name) != shape]
    missing = set(expected) - set(found) - may_miss
    if wrong or missing:
        raise CodecError(f"the weights do not fit the config: {(wrong + sorted(missing))[0]}")


def _clean_adapter_config(place: Path) -> None:
    """Rewrite an adapter's config: known fields, plain names, and the modules its tensors belong to."""
    path = place / "adapter_config.json"
    config = _read_config(path)
    method = str(config.get("peft_type"))
    _expect_known(method)
    fields = _ADAPTER_FIELDS[method] | _ANY_ADAPTERS_FIELDS
    for name in fields & set(_LARGEST_COUNTS):
        if type(config.get(name)) is not int or not 1 <= config[name] <= _LARGEST_COUNTS[name]:
            raise CodecError(f"the adapter's {name} is missing or out of bounds")
    config = {name: value for name, value in config.items() if name in fields}
    for name in ("modules_to_save", "rank_pattern", "alpha_pattern"):
        if not all(type(item) is str and _PLAIN_NAME.match(item) for item in config.get(name) or []):
            raise CodecError(f"the adapter's {name} holds something other than plain names")
    config |= _adapted_modules(method, place) | {"inference_mode": True}
    path.write_text(json.dumps(config), encoding="utf-8")


def _adapted_modules(method: str, place: Path) -> dict[str, list[str]]:
    """The modules that an adapter's tensors belong to, as its config names them; a prompt belongs to none."""
    stored = _stored_shapes(place / "adapter_model.safetensors")
    if method == "LORA":
        found = [match[1] for match in map(_LORA_TENSOR.match, stored) if match]
        if not found or any(found.count(module) != 2 for module in found):
            raise CodecError("the adapter's tensors are not pairs of A and B")
        return {"target_modules": sorted(set(found))}
    if method == "IA3":
        scales = {match[1]: stored[match[0]] for match in map(_IA3_TENSOR.match, stored) if match}
        # A row scales what goes into a layer, which PEFT calls feedforward; a column scales what comes out.
        inward = [module for module, shape in scales.items() if shape[:1] == (1,)]
        return {"target_modules": sorted(scales), "feedforward_modules": sorted(inward)}
    return {}


def load(path: str) -> Any:
    """The model that `save_pretrained` wrote to `path`, by its own class: float32, CPU, eval mode."""
    import torch

    kind = _model_class(_read_config(Path(path) / "config.json"))
    with _quiet():
        return kind.from_pretrained(path, dtype=torch.float32).eval()

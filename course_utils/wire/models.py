"""Models across the wire: config and safetensors there, rebuilt here.

:func:`pack` runs on the learner's side. :func:`rebuild` runs on the trusted side
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
import json
import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

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
    ["model_type", "tie_word_embeddings", "decoder_start_token_id", "is_gated_act", "dense_act_fn", "scale_decoder_outputs"]
)  # fmt: skip
_FIXED_FIELDS = frozenset(
    ["dtype", "return_dict", "output_hidden_states", "is_encoder_decoder", "chunk_size_feed_forward", "use_cache"]
)  # fmt: skip
_TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
_ADAPTER_FIELDS = frozenset(
    ["task_type", "peft_type", "r", "lora_alpha", "lora_dropout", "fan_in_fan_out", "bias", "lora_bias", "use_rslora",
     "use_dora", "modules_to_save", "rank_pattern", "alpha_pattern"]
)  # fmt: skip
_ADAPTED = re.compile(r"base_model\.model\.([\w.]+)\.lora_(?:embedding_)?[AB](?:\.weight)?\Z")
_PLAIN_NAME = re.compile(r"[\w.]{1,200}\Z")


def pack(model: object) -> Folder:
    """The files a Transformers or PEFT model is rebuilt from.

    Raises :class:`CodecError` for anything else (a hand-written module, say: ask
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


def _saved(model, names: frozenset[str], **options) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder, _quiet():
        model.save_pretrained(folder, **options)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.name in names}


def _pack_adapter(model) -> Folder:
    """An adapter's own files at the top, the model below it under ``base/``."""
    from safetensors.torch import save

    base = model.get_base_model()
    config = base.config.to_dict() | {"architectures": [_library_class(base)]}
    weights = {name: value.detach().cpu().contiguous().clone() for name, value in _base_weights(base).items()}
    files = _saved(model, ADAPTER_FILES, save_embedding_layers=False)
    files["base/config.json"] = json.dumps(config, default=str).encode()
    files["base/model.safetensors"] = save(weights, metadata={"format": "pt"})
    return Folder(files)


def _library_class(model) -> str:
    for kind in type(model).__mro__:
        if kind.__module__.startswith("transformers.models."):
            return kind.__name__
    raise CodecError(f"it is a {type(model).__name__}, which is not one of Transformers' models")


def _base_weights(base) -> dict:
    """The weights under an adapter, by the names they had before it was put on.

    PEFT keeps a wrapped layer's weight as ``….base_layer.weight`` and a copied
    module's first weights as ``….original_module.…``.
    """
    weights = {}
    for name, value in base.state_dict().items():
        if ".modules_to_save." in name or ".lora_" in name or ".ia3_" in name:
            continue
        weights[name.replace(".base_layer.", ".").replace(".original_module.", ".")] = value
    return weights


def rebuild(folder: Folder):
    """The model in ``folder``: float32, on the CPU, in eval mode.

    Raises :class:`CodecError` when files are missing, name classes that are not
    Transformers' or PEFT's own, or hold other tensors than the config calls for.
    """
    names = set(folder.files) - HARMLESS_FILES
    adapted = "adapter_config.json" in names
    allowed = ADAPTER_FILES | {f"base/{name}" for name in MODEL_FILES} if adapted else MODEL_FILES
    if not names <= allowed:
        raise CodecError(f"the folder holds {sorted(names - allowed)[0]!r}, which a model does not need")
    try:
        with tempfile.TemporaryDirectory() as place, _quiet():
            return _rebuild_in(Path(place), folder, adapted).eval()
    except CodecError:
        raise
    except Exception as error:
        raise CodecError(
            f"the model could not be rebuilt: {type(error).__name__}: {str(error)[:200]}"
        ) from error


def _rebuild_in(place: Path, folder: Folder, adapted: bool):
    base = _write(place / "base", folder, "base/" if adapted else "", MODEL_FILES)
    model = _load_checked(base)
    if not adapted:
        return model
    from peft import PeftModel

    adapter = _write(place / "adapter", folder, "", ADAPTER_FILES)
    _clean_adapter_config(adapter)
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


def _load_checked(place: Path):
    """Load the model in ``place`` after its config and tensors were looked at."""
    import torch

    config = _read_config(place / "config.json")
    kind = _model_class(config)
    config = _clean_config(config, kind)
    _check_sizes(config)
    (place / "config.json").write_text(json.dumps(config | {"dtype": "float32"}), encoding="utf-8")
    _clean_generation(place / "generation_config.json")
    _check_tensors(place, kind)
    # The random numbers of whoever asks must not depend on how a model is built.
    with torch.random.fork_rng(devices=[]):
        return kind.from_pretrained(
            str(place),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
        )


def _clean_config(config: dict, kind) -> dict:
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


def _model_class(config: dict):
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


def _check_tensors(place: Path, kind) -> None:
    """Every tensor has the shape the config calls for, and none is missing or extra.

    Looked at on the meta device, where a shape costs no memory.
    """
    import torch
    from safetensors import safe_open

    path = place / "model.safetensors"
    if not path.is_file():
        raise CodecError("model.safetensors is missing")
    with torch.device("meta"):
        model = kind(kind.config_class.from_pretrained(str(place), local_files_only=True))
    if sum(buffer.numel() for buffer in model.buffers()) > MOST_BUFFERED:
        raise CodecError("the config calls for larger masks and tables than can be held")
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    tied = set(getattr(model, "all_tied_weights_keys", None) or ())
    with safe_open(str(path), framework="pt") as weights:
        found = {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
    wrong = [name for name, shape in found.items() if expected.get(name) != shape]
    missing = set(expected) - set(found) - tied
    if wrong or missing:
        raise CodecError(f"the weights do not fit the config: {(wrong + sorted(missing))[0]}")


def _clean_adapter_config(place: Path) -> None:
    """Rewrite an adapter's config: known fields, plain names, and the modules its tensors belong to."""
    path = place / "adapter_config.json"
    config = _read_config(path)
    if config.get("peft_type") != "LORA":
        raise CodecError(f"only LoRA adapters can be rebuilt, not {str(config.get('peft_type'))[:30]!r}")
    config = {name: value for name, value in config.items() if name in _ADAPTER_FIELDS}
    if type(config.get("r")) is not int or not 1 <= config["r"] <= 1024:
        raise CodecError("the adapter's rank is out of bounds")
    for name in ("modules_to_save", "rank_pattern", "alpha_pattern"):
        if not all(type(item) is str and _PLAIN_NAME.match(item) for item in config.get(name) or []):
            raise CodecError(f"the adapter's {name} holds something other than plain names")
    config |= {"target_modules": _adapted_modules(place), "inference_mode": True}
    path.write_text(json.dumps(config), encoding="utf-8")


def _adapted_modules(place: Path) -> list[str]:
    """The modules that an adapter's tensors belong to; each has to come as a pair."""
    from safetensors import safe_open

    with safe_open(str(place / "adapter_model.safetensors"), framework="pt") as weights:
        found = [match.group(1) for match in map(_ADAPTED.match, weights.keys()) if match]
    modules = sorted(set(found))
    if not modules or any(found.count(module) != 2 for module in modules):
        raise CodecError("the adapter's tensors are not pairs of A and B")
    return modules


def load(path: str):
    """The model that ``save_pretrained`` wrote to ``path``, by its own class: float32, CPU, eval mode."""
    import torch

    kind = _model_class(_read_config(Path(path) / "config.json"))
    with _quiet():
        return kind.from_pretrained(path, dtype=torch.float32).eval()

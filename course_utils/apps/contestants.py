"""Models to compare, out of folders whose makers need not be trusted: only
configs and safetensors are read.
"""

from __future__ import annotations

import re
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from course_utils import catalog
from course_utils.measure.evaluation import generate
from course_utils.wire.codec import CodecError
from course_utils.wire.models import ADAPTER_FILES, MODEL_FILES, rebuild
from course_utils.wire.references import Folder

MOST_BYTES = 64 * 10**6  # of one folder; the twin itself has 5 MB
MOST_CHARACTERS = 4000
MOST_TOKENS = 512
NEW_TOKENS = 64


class Unusable(ValueError):
    """Something that was handed in can't be used; the message says why and what to do."""


@dataclass(frozen=True)
class Contestant:
    """A model with the name it is shown by. kept_bytes: what has to be kept of
    it, or 0 for the twin itself.
    """

    name: str
    model: object
    kept_bytes: int = 0


@dataclass(frozen=True)
class Generation:
    """What a model wrote, how many tokens that are, and the seconds it took."""

    text: str
    tokens: int
    seconds: float


def twin_folder() -> Path:
    """The folder of the flan-t5 twin, from which all models here come."""
    return Path(catalog.model_path("flan-t5", "offline"))


@cache
def tokenizer() -> Any:
    """The twin's tokenizer, which all models here share."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(twin_folder())


@cache
def base() -> Contestant:
    """The flan-t5 twin as it ships."""
    return read(twin_folder(), "base")


def read(folder: str | Path, name: str, called: str | None = None) -> Contestant:
    """The fine-tuned twin or the LoRA adapter for it that `save_pretrained` wrote to `folder`.

    No code of the folder runs, and no weight is taken that its config does not account for.

    Args:
        name: what the model is shown by.
        called: what messages call the folder, if not by its path.

    Raises:
        Unusable: where there is no such folder or no such model in it.
    """
    folder = Path(folder).expanduser()
    called = called or str(folder)
    if not folder.is_dir():
        raise Unusable(f"There is no folder {called}. Give the one that save_pretrained wrote to.")
    files = _files(folder, called)
    kept = sum(map(len, files.values()))
    if "adapter_config.json" in files and "base/config.json" not in files:
        files |= {f"base/{name}": data for name, data in _files(twin_folder(), "the twin's folder").items()}
    elif "config.json" not in files and "adapter_config.json" not in files:
        raise Unusable(
            f"The folder {called} holds neither config.json nor adapter_config.json: save with "
            "model.save_pretrained(folder)."
        )
    try:
        model = rebuild(Folder(files))
    except CodecError as error:
        raise Unusable(f"The model in {called} can't be used: {_without_scratch(error)}.") from error
    _check_kind(model, called)
    return Contestant(name, model, kept)


def _files(folder: Path, called: str) -> dict[str, bytes]:
    """The files that a model consists of; whatever else lies there is not looked at."""
    names = [*MODEL_FILES, *ADAPTER_FILES, *(f"base/{name}" for name in MODEL_FILES)]
    paths = {name: folder / name for name in sorted(names) if (folder / name).exists()}
    if links := [name for name, path in paths.items() if path.is_symlink() or not path.is_file()]:
        raise Unusable(f"{links[0]} in {called} is no ordinary file. Hand in copies, not links.")
    if sum(path.stat().st_size for path in paths.values()) > MOST_BYTES:
        raise Unusable(
            f"The folder {called} holds more than {MOST_BYTES / 1e6:.0f} MB. Hand in the twin, fine-tuned, "
            "or an adapter for it."
        )
    return {name: path.read_bytes() for name, path in paths.items()}


def _without_scratch(error: Exception) -> str:
    """The error's words, where a file in the scratch folder of this machine goes by its own name alone."""
    return re.sub(rf"{re.escape(tempfile.gettempdir())}/(\S*/)?", "", str(error))


def _check_kind(model: Any, called: str) -> None:
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    if type(core).__name__ != "T5ForConditionalGeneration" or core.config.vocab_size != base_vocabulary():
        raise Unusable(
            f"The folder {called} holds a {type(core).__name__} that does not fit the course's flan-t5: "
            "fine-tune that one."
        )


@cache
def base_vocabulary() -> int:
    """How many tokens the twin's embedding has."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(twin_folder()).vocab_size


def checked(text: str) -> str:
    """The text without white space around it; Unusable where it is empty or too long."""
    text = (text or "").strip()
    if not text:
        raise Unusable("There is no text yet. Write or paste some, or choose an example.")
    if len(text) > MOST_CHARACTERS:
        raise Unusable(
            f"The text has {len(text):,} characters; at most {MOST_CHARACTERS:,} are taken. Shorten it."
        )
    tokens = len(tokenizer()(text)["input_ids"])
    if tokens > MOST_TOKENS:
        raise Unusable(f"The text has {tokens} tokens; at most {MOST_TOKENS} are taken. Shorten it.")
    return text


def answer(contestant: Contestant, prompt: str) -> Generation:
    """What the model writes, greedily, after a prompt."""
    begun = time.perf_counter()
    (text,) = generate(contestant.model, tokenizer(), [prompt], max_new_tokens=NEW_TOKENS)
    seconds = time.perf_counter() - begun
    return Generation(text, len(tokenizer()(text)["input_ids"]), seconds)

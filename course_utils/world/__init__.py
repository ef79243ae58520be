"""Saltmarsh: a small language world whose every text carries labels that are true by construction.

A record is a pure function of its kind, seed, split and index, so any part of the world can be drawn
anywhere, by anyone, in any order, and comes out byte for byte the same. Nothing of the course is imported
here. A kind of text is a module of this folder with a function `record(draw)`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator

from . import reviews
from .dialogues import TOPICS as DIALOGUE_TOPICS
from .draw import SPLITS, RecordDraw
from .entities import TAGS as ENTITY_TAGS
from .entities import spans
from .general_text import detokenised
from .reviews import LABELS as REVIEW_LABELS
from .topics import LABELS as TOPIC_LABELS

__all__ = [
    "DIALOGUE_TOPICS",
    "ENTITY_TAGS",
    "KINDS",
    "REVIEW_LABELS",
    "SPLITS",
    "TOPIC_LABELS",
    "VERSION",
    "RecordDraw",
    "detokenised",
    "record",
    "records",
    "reviews_with_closings",
    "spans",
]

#: Changes whenever any record changes; caches and checkpoints name it.
VERSION = "1"


def _writers() -> dict[str, Callable[[RecordDraw], dict]]:
    """What writes a record, by kind of text: the `record` of each module of this folder that has one."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = {name: importlib.import_module(f"{__name__}.{name}") for name in names}
    return {
        name.replace("_", "-"): module.record for name, module in modules.items() if hasattr(module, "record")
    }


_WRITERS = _writers()

#: The kinds of text, each written by the module of its name.
KINDS = tuple(_WRITERS)


def record(kind: str, seed: int, index: int, split: str = "train") -> dict:
    """Record `index` of a kind of text.

    Args:
        kind: one of `KINDS`.
        seed: which world; any integer.
        index: position in the split, from 0.
        split: `train`, `validation` or `test`. Combinations of words belong to one split only.

    Returns:
        The columns of the dataset of the same name, as plain Python values.

    Raises:
        ValueError: for an unknown kind or split.
    """
    if kind not in KINDS:
        raise ValueError(f"The world has no {kind!r}; it has {', '.join(KINDS)}.")
    return _WRITERS[kind](RecordDraw(split, kind, seed, index))


def records(kind: str, seed: int, count: int, split: str = "train", start: int = 0) -> Iterator[dict]:
    """`count` consecutive records, lazily."""
    return (record(kind, seed, index, split) for index in range(start, start + count))


def reviews_with_closings(seed: int, count: int, start: int = 0) -> Iterator[tuple[str, str]]:
    """(review, closing remark) pairs: what somebody thought, and what they said at the end of it.

    No label comes with them.
    """
    for index in range(start, start + count):
        draw = RecordDraw("train", "closings", seed, index)
        row = reviews.record(draw)
        yield row["text"], reviews.closing(draw, REVIEW_LABELS[row["label"]])

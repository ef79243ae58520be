"""Saltmarsh: a small language world whose every text carries labels that are true by construction.

A record is a pure function of its kind, seed, split and index, so any part of the world can be drawn anywhere, by anyone, in any
order, and comes out byte for byte the same. Nothing of the course is imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from . import dialogues, entities, general, questions, reviews, topics, translations
from .dialogues import TOPICS as DIALOGUE_TOPICS
from .draw import SPLITS, Draw
from .entities import TAGS as ENTITY_TAGS
from .entities import spans
from .general import detokenised
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
    "Draw",
    "detokenised",
    "record",
    "records",
    "reviews_with_closings",
    "spans",
]

#: Changes whenever any record changes; caches and checkpoints name it.
VERSION = "1"

_WRITERS: dict[str, Callable[[Draw], dict]] = {
    "reviews": reviews.review,
    "topics": topics.topic,
    "entities": entities.entities,
    "translations": translations.translation,
    "general-text": general.general_text,
}
_WRITERS_WITH_IDENTIFIER: dict[str, Callable[[Draw, str], dict]] = {
    "dialogues": dialogues.dialogue,
    "questions": questions.question,
}

KINDS = ("dialogues", "reviews", "topics", "entities", "questions", "translations", "general-text")


def record(kind: str, seed: int, index: int, split: str = "train") -> dict:
    """Record ``index`` of a kind of text.

    Args:
        kind: one of :data:`KINDS`.
        seed: which world; any integer.
        index: position in the split, from 0.
        split: ``train``, ``validation`` or ``test``. Combinations of words belong to one split only.

    Returns:
        The columns of the catalog entry of the same name, as plain Python values.

    Raises:
        ValueError: for an unknown kind or split.
    """
    if kind not in KINDS:
        raise ValueError(f"The world has no {kind!r}; it has {', '.join(KINDS)}.")
    draw = Draw(split, kind, seed, index)
    if kind in _WRITERS_WITH_IDENTIFIER:
        return _WRITERS_WITH_IDENTIFIER[kind](draw, f"{split}_{index}")
    return _WRITERS[kind](draw)


def records(kind: str, seed: int, count: int, split: str = "train", start: int = 0) -> Iterator[dict]:
    """``count`` consecutive records, lazily."""
    return (record(kind, seed, index, split) for index in range(start, start + count))


def reviews_with_closings(seed: int, count: int, start: int = 0) -> Iterator[tuple[str, str]]:
    """(review, closing remark) pairs: what somebody thought, and what they said at the end of it. No label comes with them."""
    for index in range(start, start + count):
        draw = Draw("train", "closings", seed, index)
        row = reviews.review(draw)
        yield row["text"], reviews.closing(draw, REVIEW_LABELS[row["label"]])

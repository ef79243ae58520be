"""Seeded choices that are the same on every machine and every Python.

Only `Random(integer).random()` is used: it is the one stream whose values the standard library
promises to keep (https://docs.python.org/3/library/random.html, "Notes on Reproducibility"). `choice`
and `shuffle` carry no such promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from random import Random
from typing import TypeVar
from zlib import crc32

Item = TypeVar("Item")

SPLITS = ("train", "validation", "test")

# Of every ten combinations of words, two are kept for the test split and one for validation.
_PERIOD = 10
_PLACES_OF = {"test": (0, 1), "validation": (2,), "train": tuple(range(3, _PERIOD))}


@cache
def _allowed(phase: int, count: int, split: str) -> tuple[int, ...]:
    return tuple(index for index in range(count) if (phase + index) % _PERIOD in _PLACES_OF[split])


def partners(word: str, others: Sequence[Item], split: str) -> list[Item]:
    """Those of `others` (ten or more) that stand with `word` in this split, and in no other split."""
    return [others[index] for index in _allowed(crc32(word.encode()) % _PERIOD, len(others), split)]


class RecordDraw:
    """A stream of choices for one record; equal keys give equal streams.

    Attributes:
        split: the split that the record belongs to.
        identifier: what tells the record from the others of its dataset, such as `train_17`: the
            split and the last part of the key.
    """

    def __init__(self, split: str, *key: object) -> None:
        if split not in SPLITS:
            raise ValueError(f"There is no split {split!r}; the splits are {', '.join(SPLITS)}.")
        self.split = split
        self.identifier = f"{split}_{key[-1]}" if key else split
        digest = blake2b("/".join(map(str, (split, *key))).encode(), digest_size=8).digest()
        self._uniform = Random(int.from_bytes(digest, "big")).random

    def below(self, limit: int) -> int:
        """A whole number from 0 to `limit - 1`."""
        return int(self._uniform() * limit)

    def chance(self, probability: float) -> bool:
        return self._uniform() < probability

    def choice(self, items: Sequence[Item]) -> Item:
        return items[int(self._uniform() * len(items))]

    def other(self, items: Sequence[Item], *taken: Item) -> Item:
        """A choice that is none of `taken`."""
        while (item := self.choice(items)) in taken:
            pass
        return item

    def partner(self, word: str, others: Sequence[Item]) -> Item:
        """One of `others` that may stand with `word` in this split.

        This is what keeps combinations apart: a pair seen in training never turns up in the test split.
        """
        return others[self.choice(_allowed(crc32(word.encode()) % _PERIOD, len(others), self.split))]

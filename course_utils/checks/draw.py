"""Fresh data for a check, all of it from one key.

The learner's key is public and the grader's is secret, so the same check judges
both and a memorised answer earns nothing.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from course_utils.wire.references import Rows

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.random import Generator


class Draw:
    """Random numbers and fresh rows; the same key draws the same, on any machine.

    `random` is a `random.Random`. Use it, `numpy()` or `rows()`; nothing
    else a check does may be random.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.random = random.Random(self._number("random"))

    def _number(self, purpose: str) -> int:
        return int.from_bytes(hashlib.sha256(self._key + purpose.encode()).digest()[:8], "big") >> 1

    @cached_property
    def seed(self) -> int:
        """A seed below 2**31 for whatever wants one (`torch.Generator`, say)."""
        return self._number("seed") % 2**31

    def numpy(self) -> Generator:
        """A `numpy.random.Generator` (PCG64), the same one each time it is asked for."""
        return self._numpy

    @cached_property
    def _numpy(self) -> Generator:
        import numpy as np

        return np.random.Generator(np.random.PCG64(self._number("numpy")))

    def sample(self, items: Iterable, count: int) -> list:
        """`count` different items, in random order."""
        return self.random.sample(list(items), count)

    def derangement(self, count: int) -> list[int]:
        """The numbers below `count` (2 or more) in an order that leaves none in its place."""
        order = list(range(count))
        while any(place == number for place, number in enumerate(order)):
            self.random.shuffle(order)
        return order

    def rows(self, name: str, count: int, split: str = "test") -> list[dict]:
        """`count` rows of the dataset `name` that nobody has seen, from the offline world.

        Each row is a dict with the columns that `course.dataset(name)` has, labels as
        numbers. The same name and split give the same rows again: ask once for all.
        """
        return self._frame(name, count, split).to_list()

    def dataset(self, name: str, count: int, split: str = "test") -> Rows:
        """The rows of `rows` as an argument that reaches the learner as a `datasets.Dataset`."""
        return Rows(self._frame(name, count, split).with_format("arrow")[:])

    def _frame(self, name: str, count: int, split: str) -> Dataset:
        from course_utils.datasets import corpora

        return corpora.frame(name, split, self._number(f"rows {name} {split}"), count)

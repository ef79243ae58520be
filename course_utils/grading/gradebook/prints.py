"""The fingerprints of a class's answers, as an index of numbers: who shares how many with whom.

A fingerprint that nobody else has is forgotten when the index is closed; the others lie in sorted arrays, 20
bytes for each that an answer has. Who shares with one learner is found by counting the holders of theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Prints:
    """The fingerprints of one answer, each once and sorted, with the first and last line of each."""

    hashes: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @classmethod
    def none(cls) -> Prints:
        """Of an answer that is too short."""
        lines = np.zeros(0, dtype=np.int32)
        return cls(np.zeros(0, dtype=np.uint64), lines, lines)


class PrintIndex:
    """Which learner has which fingerprint, in which question. `add` all, then `close`, then ask.

    Learners are numbers, their places in `students`.
    """

    def __init__(self) -> None:
        self.students: list[str] = []
        self._questions: dict[str, int] = {}
        self._parts: list[tuple[np.ndarray, np.ndarray]] = []  # of a learner: hashes, their questions

    def add(self, student: str, prints: Mapping[str, Prints]) -> None:
        """A learner's answers; what stands in two of them counts for the first."""
        self.students.append(student)
        numbers = [self._questions.setdefault(each, len(self._questions)) for each in prints]
        hashes = [each.hashes for each in prints.values()] or [np.zeros(0, dtype=np.uint64)]
        places = np.repeat(numbers, [len(each) for each in hashes] if numbers else 0).astype(np.int16)
        once, at = np.unique(np.concatenate(hashes), return_index=True)
        self._parts.append((once, places[at]))

    def close(self, background: Sequence[np.ndarray], most: float, few: float) -> None:
        """Forget what stands in the background, what more than `most` learners have, and what one has. What
        at most `few` have is rare.
        """
        lengths, questions = [len(hashes) for hashes, _ in self._parts], max(len(self._questions), 1)
        hashes = _joined((each for each, _ in self._parts), np.uint64)
        places = _joined((each for _, each in self._parts), np.int16)
        self._parts.clear()
        learners = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        known, number, count = np.unique(hashes, return_inverse=True, return_counts=True)
        count[np.isin(known, _joined(background, np.uint64))] = 0  # nobody's, as are those of too many
        count = np.where(count > most, 0, count)[number]
        cells = learners * np.int64(questions) + places

        def sizes(wanted: np.ndarray) -> np.ndarray:
            return np.bincount(cells[wanted], minlength=len(lengths) * questions).reshape(-1, questions)

        #: How many each learner has in each question, those that nobody else has included: all, and the rare.
        self._sizes, self._rare_sizes = sizes(count > 0), sizes((count > 0) & (count <= few))
        stay = count > 1
        self._hashes, number = np.unique(hashes[stay], return_inverse=True)
        self._number, self._place, learners = number.astype(np.int32), places[stay], learners[stay]
        self._begin = np.searchsorted(learners, np.arange(len(lengths) + 1))
        by_print = np.argsort(self._number, kind="stable")
        self._holders = learners[by_print]
        self._holder_begin = np.searchsorted(self._number[by_print], np.arange(len(self._hashes) + 1))
        self._holder_count = np.diff(self._holder_begin)
        self._few = few

    def with_answer(self, question: str, fewest: int) -> list[int]:
        """The learners who share so many fingerprints of a question with others, in order."""
        at = np.flatnonzero(self._place == self._questions[question])
        learners = np.searchsorted(self._begin, at, side="right") - 1
        return np.flatnonzero(np.bincount(learners) >= fewest).tolist() if len(at) else []

    def alike(
        self, one: int, question: str | None, fewest: int, at_least: float, *, rare: bool = False
    ) -> Iterator[tuple[int, float, int]]:
        """(other learner, share of the smaller one's fingerprints, how many) where both are enough: of one
        question, or of the whole; of all fingerprints, or of the rare.
        """
        numbers = self._of(one, question, rare)
        if len(numbers) < fewest:
            return
        holders, _ = self._holders_of(numbers)
        counts = np.bincount(holders, minlength=len(self.students))
        counts[one] = 0
        others = np.flatnonzero(counts >= fewest)
        sizes = self._rare_sizes if rare else self._sizes
        sizes = sizes.sum(axis=1) if question is None else sizes[:, self._questions[question]]
        # What stands elsewhere with the other one counts too: that answer may be smaller than what is shared.
        smaller = np.minimum(sizes[one], np.maximum(sizes[others], counts[others]))
        shares = counts[others] / smaller
        for other, share in zip(others.tolist(), shares.tolist()):
            if share >= at_least:
                yield other, share, int(counts[other])

    def owned(self, group: Sequence[int], question: str, own_share: float) -> int:
        """How many of the fingerprints that the first of a group shares with most of it are its own: of
        those who have one, at least this share is in the group.
        """
        shared, inside = self._shared(group, question, rare=False)
        return int((inside >= own_share * self._holder_count[shared]).sum())

    def shared_by(self, group: Sequence[int], question: str | None, *, rare: bool = False) -> frozenset[int]:
        """The fingerprints of the first of a group that at least half of it have."""
        return frozenset(self._hashes[self._shared(group, question, rare)[0]].tolist())

    def shared_elsewhere(self, pair: tuple[int, int], questions: Iterable[str]) -> int:
        """How many rare fingerprints both of a pair have that the first has in other questions than these."""
        shared, _ = self._shared(pair, None, rare=True)
        at = slice(*self._begin[pair[0] : pair[0] + 2])
        places = self._place[at][np.isin(self._number[at], shared)]
        return int((~np.isin(places, [self._questions[each] for each in questions])).sum())

    def _of(self, one: int, question: str | None, rare: bool) -> np.ndarray:
        """The numbers of a learner's fingerprints that others have too."""
        at = slice(*self._begin[one : one + 2])
        numbers = self._number[at]
        wanted = np.ones(len(numbers), dtype=bool)
        if question is not None:
            wanted &= self._place[at] == self._questions[question]
        if rare:
            wanted &= self._holder_count[numbers] <= self._few
        return numbers[wanted]

    def _holders_of(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The holders of each of some fingerprints, one after the other, and where each one's begin."""
        counts = self._holder_count[numbers]
        begins = np.cumsum(counts) - counts
        at = np.arange(counts.sum()) + np.repeat(self._holder_begin[numbers] - begins, counts)
        return self._holders[at], begins

    def _shared(
        self, group: Sequence[int], question: str | None, rare: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Those fingerprints of the first that half of a group have at least, and how many of it each."""
        numbers = self._of(group[0], question, rare)
        if not len(numbers):
            return numbers, numbers
        members = np.zeros(len(self.students), dtype=np.int64)
        members[list(group)] = 1
        holders, begins = self._holders_of(numbers)
        inside = np.add.reduceat(members[holders], begins)
        most = inside >= max(len(group) / 2, 2)
        return numbers[most], inside[most]


def _joined(parts: Iterable[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype=kind), *parts])

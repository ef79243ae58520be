"""Which submissions have answers that are nearly the same: a hint for whoever teaches, which no mark knows.

Answers are compared by their fingerprints, chosen by winnowing: S. Schleimer, D. S. Wilkerson and A. Aiken,
"Winnowing: Local Algorithms for Document Fingerprinting", SIGMOD 2003. Code counts without comments, layout
and the names that its writer chose. What the released notebook or the expected answer says, and what most of
a class wrote, is left out. The others lie in an index of numbers (`prints.PrintIndex`), so ten thousand are
neither compared two by two nor held as texts.
"""

from __future__ import annotations

import builtins
import hashlib
import keyword
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from course_utils.grading.gradebook.prints import PrintIndex, Prints

#: Tokens in a fingerprint, and fingerprints of which one is kept: 19 tokens in a row are always found.
GRAM, WINDOW = 12, 8
#: Whole submissions are held against each other by what few have: at most this share of a class, or 4
#: learners if that is more, and never more than 25. So what is usual there makes nobody suspicious.
FEW_SHARE, FEW_LEAST, FEW_MOST = 0.1, 4, 25
#: What more than this share of a class has is everybody's. What fewer have is looked at question by question.
MOST_SHARE = 0.5
#: Fewer fingerprints than these say nothing: short answers look alike. In one question, which has a usual
#: answer, code has to share more (about 150 tokens); nobody has 50 words in a row by chance.
FEWEST, FEWEST_CODE, FEWEST_PROSE = 10, 30, 8
#: A group is one if so many fingerprints are its own: of those who have one, this share at least is in it.
OWN_SHARE = 0.75
#: Pairs that are kept while a class is gone through.
MOST_PAIRS = 1_000
_NAMES = {*dir(builtins), *keyword.kwlist, *keyword.softkwlist}
#: Python, token by token, as far as comparing needs it: what is no Python has tokens too.
_CODE = re.compile(
    r"""(?P<skipped>\s+|\#[^\n]*|\\\n)
    |(?P<text>(?i:[bfru]{0,2})(?:
        \"{3}(?:[^"\\]|\\.|"(?!""))*\"{3} | \'{3}(?:[^'\\]|\\.|'(?!''))*\'{3}
        | "[^"\n\\]*(?:\\.[^"\n\\]*)*" | '[^'\n\\]*(?:\\.[^'\n\\]*)*'))
    |(?P<name>[^\W\d]\w*)
    |(?P<other>\d[\w.]*|\*\*=?|//=?|>>=?|<<=?|->|[-+*/%&|^@=<>!:]=|.)""",
    re.VERBOSE | re.DOTALL,
)
_WORD = re.compile(r"\w+")
_HASH = np.uint64
#: Multipliers of a fingerprint.s tokens, by place: R. M. Karp and M. O. Rabin, "Efficient randomized
#: pattern-matching algorithms", IBM Journal of Research and Development 31(2), 1987, modulo 2**64.
_PLACES = np.array([pow(0x9E3779B97F4A7C15, place, 2**64) for place in range(GRAM)], dtype=_HASH)


@dataclass(frozen=True)
class Answers:
    """One learner's answers to an exercise: question -> (source, whether it is code)."""

    student: str
    cells: Mapping[str, tuple[str, bool]]

    def prints(self) -> dict[str, Prints]:
        """question -> its fingerprints."""
        return {question: fingerprints(source, is_code) for question, (source, is_code) in self.cells.items()}

    def lines(self, shared: frozenset[int]) -> dict[str, set[int]]:
        """question -> the lines on which these fingerprints stand."""
        found: dict[str, set[int]] = defaultdict(set)
        for question, prints in self.prints().items():
            for each, first, last in zip(prints.hashes.tolist(), prints.first.tolist(), prints.last.tolist()):
                if each in shared:
                    found[question].update(range(first, last + 1))
        return found


@dataclass(frozen=True)
class Pair:
    """Two learners who share fingerprints, and which share that is of the smaller one's, from 0 to 1."""

    first: str
    second: str
    share: float
    shared: frozenset[int]


@dataclass(frozen=True)
class Group:
    """Three or more whose answers to one question are nearly the same as the first one's, and what these
    share with it.
    """

    question: str
    students: tuple[str, ...]
    shared: frozenset[int]


@dataclass
class Alike:
    """What is alike in a class of `count`: groups, the most alike pairs of `pair_count` that there are."""

    count: int = 0
    groups: list[Group] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    pair_count: int = 0


def code_tokens(source: str) -> Iterator[tuple[str, int]]:
    """(token, where it begins) of Python code; a name that its writer chose is any name."""
    before = ""
    for each in _CODE.finditer(source):
        kind, token = each.lastgroup, each[0]
        if kind == "skipped":
            continue
        if kind == "name":
            yield (token if before == "." or token in _NAMES else "name"), each.start()
        else:
            yield ("text" if kind == "text" else token), each.start()
        before = token


def prose_tokens(source: str) -> Iterator[tuple[str, int]]:
    """(word, where it begins) of an answer in prose."""
    return ((each[0].casefold(), each.start()) for each in _WORD.finditer(source))


def fingerprints(source: str, is_code: bool) -> Prints:
    """The fingerprints of an answer, each where it stands first."""
    row = list(code_tokens(source) if is_code else prose_tokens(source))
    ends = [place for place, letter in enumerate(source) if letter == "\n"] if row else []
    return winnowed([token for token, _ in row], np.searchsorted(ends, [place for _, place in row]) + 1)


def winnowed(tokens: Sequence[str], lines: np.ndarray) -> Prints:
    """The least hash in each window of `WINDOW` runs of `GRAM` tokens, of equal ones the last."""
    if len(tokens) < GRAM:
        return Prints.none()
    numbers = np.array([_number(each) for each in tokens], dtype=_HASH)
    hashes = _mixed(np.lib.stride_tricks.sliding_window_view(numbers, GRAM) @ _PLACES)
    width = min(WINDOW, len(hashes))
    windows = np.lib.stride_tricks.sliding_window_view(hashes, width)
    least = np.arange(len(windows)) + width - 1 - windows[:, ::-1].argmin(axis=1)
    kept, places = np.unique(hashes[least], return_index=True)
    at = least[places]
    return Prints(kept, lines[at], lines[at + GRAM - 1])


@lru_cache(maxsize=50_000)
def _number(text: str) -> int:
    """The same for a token in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest())


def _mixed(values: np.ndarray) -> np.ndarray:
    """Hashes whose order says nothing of their tokens: S. Vigna's splitmix64."""
    values = (values ^ (values >> _HASH(30))) * _HASH(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> _HASH(27))) * _HASH(0x94D049BB133111EB)
    return values ^ (values >> _HASH(31))


def alike(submissions: Iterable[Answers], background: Iterable[Answers], at_least: float) -> Alike:
    """The groups and pairs that share at least this part of the smaller's fingerprints, the most alike first.

    `submissions` are gone through once, and none is kept. `background`: what every submission may have, such
    as the released notebook and the expected answer.
    """
    index = PrintIndex()
    least: dict[str, int] = {}  # by question
    for answers in submissions:
        index.add(answers.student, answers.prints())
        for question, (_, is_code) in answers.cells.items():
            least.setdefault(question, FEWEST_CODE if is_code else FEWEST_PROSE)
    known = [prints.hashes for answers in background for prints in answers.prints().values()]
    count = len(index.students)
    few = min(max(FEW_SHARE * count, FEW_LEAST), FEW_MOST)
    index.close(known, most=max(MOST_SHARE * count, FEW_LEAST), few=few)
    groups = _groups(index, least, at_least)
    pairs = _Pairs(index, groups)
    for one in range(count):
        pairs.add(one, [(None, FEWEST), *least.items()], at_least)
    named = [
        Group(question, tuple(index.students[each] for each in group), index.shared_by(group, question))
        for question, group in groups
    ]
    return Alike(count, named, pairs.most_alike(), pairs.count)


def _groups(index: PrintIndex, least: Mapping[str, int], at_least: float) -> list[tuple[str, list[int]]]:
    """(question, three or more with one answer to it), the largest first."""
    groups = []
    for question, fewest in least.items():
        taken: set[int] = set()
        for one in index.with_answer(question, fewest):
            if one in taken:
                continue
            others = [other for other, *_ in index.alike(one, question, fewest, at_least)]
            group = [one, *(each for each in others if each not in taken)]
            if len(group) >= 3 and index.owned(group, question, OWN_SHARE) >= fewest:
                groups.append((question, group))
                taken.update(group)
    return sorted(groups, key=lambda each: -len(each[1]))


class _Pairs:
    """The most alike pairs of a class, each once, without those of whom a group says it all."""

    def __init__(self, index: PrintIndex, groups: Iterable[tuple[str, list[int]]]) -> None:
        self._index = index
        self._grouped: dict[int, set[tuple[str, int]]] = defaultdict(set)  # by learner: question, first of it
        for question, group in groups:
            for each in group:
                self._grouped[each].add((question, group[0]))
        self._kept: dict[tuple[int, int], tuple[float, int]] = {}
        self._dropped = 0

    @property
    def count(self) -> int:
        """How many there are, those that are not kept included."""
        return len(self._kept) + self._dropped

    def add(self, one: int, wanted: Iterable[tuple[str | None, int]], at_least: float) -> None:
        """Add a learner's pairs with later ones: alike in one of `wanted`, a question or (None) all, in so
        many fingerprints. Two in a group have so many besides it.
        """
        found: dict[int, tuple[float, int]] = {}
        for question, fewest in wanted:
            for other, share, shared in self._index.alike(one, question, fewest, at_least, rare=True):
                if other > one and other not in found and not self._in_a_group(one, other, fewest):
                    found[other] = share, shared
        self._kept |= {(one, other): by for other, by in found.items()}
        if len(self._kept) > 2 * MOST_PAIRS:
            for least_alike in self._order()[MOST_PAIRS:]:
                del self._kept[least_alike]
                self._dropped += 1

    def _in_a_group(self, one: int, other: int, fewest: int) -> bool:
        together = {question for question, _ in self._grouped[one] & self._grouped[other]}
        return bool(together) and self._index.shared_elsewhere((one, other), together) < fewest

    def most_alike(self) -> list[Pair]:
        """The pairs, the most alike first."""
        names = self._index.students
        return [
            Pair(
                names[one],
                names[other],
                self._kept[one, other][0],
                self._index.shared_by((one, other), None, rare=True),
            )
            for one, other in self._order()[:MOST_PAIRS]
        ]

    def _order(self) -> list[tuple[int, int]]:
        return sorted(self._kept, key=lambda each: (-self._kept[each][0], -self._kept[each][1], each))

"""Which submissions have answers that are nearly the same: a hint for whoever teaches, which no mark knows.

Answers are compared by their fingerprints, chosen by winnowing: S. Schleimer, D. S. Wilkerson and A. Aiken,
"Winnowing: Local Algorithms for Document Fingerprinting", SIGMOD 2003. Code counts without comments, layout
and the names that its writer chose. What the released notebook or the expected answer says, and what many
wrote, is left out. An index of fingerprints finds the pairs, so ten thousand are not compared two by two.
"""

from __future__ import annotations

import builtins
import hashlib
import io
import keyword
import re
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations

#: Tokens in a fingerprint, and fingerprints of which one is kept: 19 tokens in a row are always found.
GRAM, WINDOW = 12, 8
#: What everybody writes: what more than this share of a class has, if that is more than 4 learners, and
#: whatever more than 25 have. So the pairs to look at grow as the class does, and not with its square.
COMMON_SHARE, COMMON_LEAST, COMMON_MOST = 0.1, 4, 25
#: Fewer fingerprints than these say nothing: short answers look alike.
FEWEST = 10
_NAMES = {*dir(builtins), *keyword.kwlist, *keyword.softkwlist}
_SKIPPED = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


@dataclass(frozen=True)
class Token:
    """A token as it counts, and the line (from 1) on which it stands."""

    text: str
    line: int


@dataclass
class Answers:
    """One learner's answers to an exercise.

    cells: question -> its source. prints: fingerprint -> where its tokens stand, as (question, first line,
    last line).
    """

    student: str
    cells: Mapping[str, str]
    prints: dict[int, tuple[str, int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Pair:
    """Two submissions that share fingerprints: how many, and which share of those of the smaller."""

    first: Answers
    second: Answers
    shared: frozenset[int]

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return len(self.shared) / min(len(self.first.prints), len(self.second.prints))

    def lines(self, side: Answers) -> dict[str, set[int]]:
        """question -> the lines of one of the two that the other has as well."""
        found: dict[str, set[int]] = defaultdict(set)
        for each in self.shared:
            question, first, last = side.prints[each]
            found[question].update(range(first, last + 1))
        return found


def code_tokens(source: str) -> Iterator[Token]:
    """The tokens of Python code, up to a place where it is none; a name that its writer chose is any name."""
    before = ""
    try:
        for each in tokenize.generate_tokens(io.StringIO(source).readline):
            if each.type in _SKIPPED:
                continue
            text = each.string
            if each.type == tokenize.NAME and text not in _NAMES and before != ".":
                text = "name"
            elif each.type == tokenize.STRING:
                text = "text"
            yield Token(text, each.start[0])
            before = each.string
    except (tokenize.TokenError, SyntaxError):
        return


def prose_tokens(source: str) -> Iterator[Token]:
    """The words of an answer in prose."""
    for number, line in enumerate(source.splitlines(), 1):
        for word in re.findall(r"\w+", line.casefold()):
            yield Token(word, number)


def fingerprints(tokens: Iterable[Token]) -> dict[int, tuple[int, int]]:
    """fingerprint -> (first, last line): the least hash in each window of `WINDOW` runs of `GRAM` tokens."""
    row = list(tokens)
    grams = [row[start : start + GRAM] for start in range(len(row) - GRAM + 1)]
    hashes = [_hash(gram) for gram in grams]
    found: dict[int, tuple[int, int]] = {}
    for start in range(max(len(hashes) - WINDOW, 0) + 1 if hashes else 0):
        window = hashes[start : start + WINDOW]
        least = min(window)
        last = start + max(place for place, each in enumerate(window) if each == least)
        found.setdefault(least, (grams[last][0].line, grams[last][-1].line))
    return found


def _hash(gram: list[Token]) -> int:
    text = "\x1f".join(token.text for token in gram)
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest())


def read_answers(student: str, cells: Mapping[str, tuple[str, bool]]) -> Answers:
    """A learner's answers with their fingerprints. `cells`: question -> (source, whether it is code)."""
    answers = Answers(student, {question: source for question, (source, _) in cells.items()})
    for question, (source, is_code) in cells.items():
        tokens = code_tokens(source) if is_code else prose_tokens(source)
        for each, (first, last) in fingerprints(tokens).items():
            answers.prints.setdefault(each, (question, first, last))
    return answers


def pairs(submissions: list[Answers], background: Iterable[Answers], at_least: float) -> list[Pair]:
    """The pairs that share at least this part of the smaller's fingerprints, the most alike first.

    `background`: what every submission may have, such as the released notebook and the expected answer.
    """
    holders = Counter(each for answers in submissions for each in answers.prints)
    most = min(max(COMMON_SHARE * len(submissions), COMMON_LEAST), COMMON_MOST)
    common = {each for answers in background for each in answers.prints}
    common |= {each for each, count in holders.items() if count > most}
    left = [_without(answers, common) for answers in submissions]
    index: dict[int, list[int]] = defaultdict(list)
    for number, answers in enumerate(left):
        for each in answers.prints:
            if holders[each] > 1:  # most are nobody else's, and the index would be as large as the class
                index[each].append(number)
    together: dict[tuple[int, int], set[int]] = defaultdict(set)
    for each, numbers in index.items():
        for two in combinations(numbers, 2):
            together[two].add(each)
    found = [Pair(left[one], left[other], frozenset(shared)) for (one, other), shared in together.items()]
    alike = [each for each in found if len(each.shared) >= FEWEST and each.share >= at_least]
    return sorted(
        alike, key=lambda each: (-each.share, -len(each.shared), each.first.student, each.second.student)
    )


def _without(answers: Answers, common: set[int]) -> Answers:
    kept = {each: place for each, place in answers.prints.items() if each not in common}
    return Answers(answers.student, answers.cells, kept)

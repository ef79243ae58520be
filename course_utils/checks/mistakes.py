"""Answers beside the likely mistakes: a message can then name the mistake that a wrong answer comes of.

A check works out a case once rightly and once for each mistake, as {words: value}; the right value has
the words "". Where a draw would not tell a mistake from the right answer, it is drawn again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from course_utils.checks import expect
from course_utils.checks.report import Failed, Rung

TRIES = 2000  # draws at most, until one tells each mistake from the right answer
ROUNDING = 1e-9


def telling(make: Callable[[], Any], answers: Callable[[Any], Mapping[str, Any]]) -> Any:
    """A case whose right answer no mistake gives; `answers` works all of them out for a case."""
    for _ in range(TRIES):
        case = make()
        found = dict(answers(case))
        right = found.pop("")
        if not any(is_near(mistaken, right) for mistaken in found.values()):
            return case
    raise AssertionError(f"no draw tells {', '.join(found)} from the right answer")


def is_near(one: Any, other: Any) -> bool:
    """Whether two plain values are the same up to rounding; of dicts and lists, each item."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(is_near(one[name], other[name]) for name in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(itertools.starmap(is_near, zip(one, other, strict=True)))
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return abs(one - other) <= ROUNDING * max(abs(one), abs(other))
    return type(one) is type(other) and one == other


def near(got: Any, answers: Mapping[str, Any], what: str) -> None:
    """A number is the right one, up to rounding; else the message names the mistake."""
    expect.number(got, what)
    right = answers[""]
    if not is_near(got, right):
        raise Failed(Rung.WRONG_VALUE, f"{what} to be {right:.12g}", f"{got:.12g}{guess(got, answers)}")


def numbers(got: Any, answers: Mapping[str, Any], what: str) -> None:
    """A list of numbers is the right one, in whatever kind of list; else the message names the mistake."""
    found = listed(got, what)
    right = answers[""]
    if len(found) != len(right):
        said = f"{len(found)}{guess(found, answers)}"
        raise Failed(Rung.WRONG_SHAPE, f"{what} to hold {len(right)} numbers", said)
    for number, (one, other) in enumerate(zip(found, right, strict=True)):
        if not is_near(one, other):
            came = f"{one:.12g}{guess(found, answers)}"
            raise Failed(Rung.WRONG_VALUE, f"item {number} of {what} to be {other:.12g}", came)


def listed(got: Any, what: str) -> list[float]:
    """The learner's numbers, whether they came in a list, a tuple, an array or a tensor."""
    made: list[float] = expect.tensor(got, what, (None,)).tolist()
    for number in made:
        expect.number(number, f"a number of {what}")
    return made


def table(got: Any, answers: Mapping[str, Mapping], what: str) -> None:
    """A dict of numbers is the right one; else the message names the mistake that gives it."""
    expect.type_of(got, dict, what)
    right = answers[""]
    if got.keys() != right.keys():
        lacks = [name for name in right if name not in got]
        more = [name for name in got if name not in right]
        said = f"without {expect.show(lacks[0])}" if lacks else f"also {expect.show(more[0])}"
        wanted = f"{what} to have the keys {expect.show(list(right))}"
        raise Failed(Rung.WRONG_SHAPE, wanted, f"{said}{guess(got, answers)}")
    for name, value in right.items():
        expect.number(got[name], f"{what}[{name!r}]")
        if not is_near(got[name], value):
            came = f"{got[name]:.12g}{guess(got, answers)}"
            raise Failed(Rung.WRONG_VALUE, f"{what}[{name!r}] to be {value:.12g}", came)


def guess(got: Any, answers: Mapping[str, Any]) -> str:
    """The words of the mistake that gives just this, ready to be put behind it; "" if none does."""
    found = (words for words, value in answers.items() if words and is_near(got, value))
    words = next(found, "")
    return f": that comes of {words}" if words else ""

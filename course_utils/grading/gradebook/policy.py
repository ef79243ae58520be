"""`class/policy.toml`: when work is due, what being late costs, and what counts at the end.

It is read whenever marks are written, exported or shown; so a change of it asks for no new run of
anybody's code.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from course_utils.checks.framework import load_exercise
from course_utils.grading.gradebook.times import EXAMPLES, read_time
from course_utils.near import nearest

NAME = "policy.toml"
ATTEMPTS = ("last", "best")
_T = TypeVar("_T")
_PARTS = ("attempts", "drop_lowest", "due", "extensions", "late", "void")
SECONDS = {"day": 86_400, "hour": 3_600}

TEMPLATE = """\
# What counts in this class. Take away a "#" to use a line; `course export` and `course feedback` then
# follow it, and nothing is graded again. Moments have a time zone: 2026-11-20T18:00:00+01:00.

# attempts = "best"               # of all that a learner handed in of an exercise; else the "last" counts

# drop_lowest = 1                 # leave so many exercises out of each learner's total, the lowest first

# [due]
# 06_full_fine_tuning = 2026-11-20T18:00:00+01:00

# [extensions.06_full_fine_tuning]  # a learner's own due date
# ann = 2026-11-27T18:00:00+01:00
# "bob.lee" = 2026-11-27T18:00:00+01:00   # a name with a dot or an @ stands in quotation marks

# [late]                          # without it, the late plugin of nbgrader_config.py counts
# deduct_percent = 10             # of the points possible, for every day that has begun
# every = "day"                   # or "hour"
# lowest_percent = 0              # the deduction takes no mark below this share of the points possible
# grace_minutes = 10              # so much later is not late; beyond it, the due date counts

# [void]                          # questions that count for nobody
# 06_full_fine_tuning = ["q3"]
"""


class PolicyError(Exception):
    """policy.toml cannot be followed; the message names the places and says what to write."""


class _Faults:
    """What is wrong in a policy, all of it, so that it can be mended at once."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def read(self, what: Callable[[], _T], instead: _T) -> _T:
        """What comes of reading a part; `instead` where it cannot be followed."""
        try:
            return what()
        except PolicyError as error:
            self.found.append(str(error))
            return instead

    def each(
        self, items: Callable[[], list[tuple[str, Any]]], read: Callable[[str, Any], _T]
    ) -> dict[str, _T]:
        """The same for the entries of a table, without those that cannot be followed."""
        found = {}
        nothing: list[tuple[str, Any]] = []
        for name, value in self.read(items, nothing):
            try:
                found[name] = read(name, value)
            except PolicyError as error:
                self.found.append(str(error))
        return found


@dataclass(frozen=True)
class LatePolicy:
    """What being late costs.

    deduct_percent: of the points possible, for each begun `every`. lowest_percent: a share of the points
    possible below which nothing is deducted. grace_seconds: a delay that is forgiven; a longer one counts
    from the due date.
    """

    deduct_percent: float
    every: str = "day"
    lowest_percent: float = 0.0
    grace_seconds: float = 0.0

    def penalty(self, points: float, max_points: float, seconds_late: float) -> float:
        """The points taken off, from 0 to `points`, in hundredths."""
        if seconds_late <= self.grace_seconds:
            return 0.0
        begun = math.ceil(seconds_late / SECONDS[self.every])
        deducted = begun * self.deduct_percent / 100 * max_points
        return round(max(min(deducted, points - self.lowest_percent / 100 * max_points), 0.0), 2)


@dataclass(frozen=True)
class Policy:
    """What counts.

    due and extensions: moments in UTC, by exercise, and by exercise and student. voided: questions by
    exercise. attempts: one of ATTEMPTS by exercise, and under "" for those that are not named.
    """

    due: Mapping[str, datetime] = field(default_factory=dict)
    extensions: Mapping[str, Mapping[str, datetime]] = field(default_factory=dict)
    late: LatePolicy | None = None
    voided: Mapping[str, frozenset[str]] = field(default_factory=dict)
    drop_lowest: int = 0
    attempts: Mapping[str, str] = field(default_factory=dict)

    def best_counts(self, exercise: str) -> bool:
        """Whether the best of a learner's attempts counts, and not the last."""
        return self.attempts.get(exercise, self.attempts.get("", ATTEMPTS[0])) == "best"

    def void(self, exercise: str) -> frozenset[str]:
        """The questions of an exercise that count for nobody."""
        return self.voided.get(exercise, frozenset())


def unknown_extensions(policy: Policy, students: Collection[str]) -> list[str]:
    """A line for each learner who has longer and of whom nothing came: a misspelt name has no effect."""
    lines = []
    for exercise, longer in policy.extensions.items():
        for student in sorted(longer.keys() - set(students)):
            near = nearest(student, students)
            hint = f"; did you mean {near!r}?" if near else ""
            lines.append(f"{NAME}: extensions.{exercise} names {student!r}, who has handed in nothing{hint}")
    return lines


def read_policy(out: Path) -> Policy:
    """The policy of a class's folder; one that asks for nothing where there is no file.

    Raises `PolicyError` for what cannot be followed.
    """
    path = out / NAME
    try:
        text = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return _policy(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{path} is no TOML: {error}") from None
    except UnicodeDecodeError:
        raise PolicyError(f"{path} is not UTF-8; save it as such") from None
    except PolicyError as error:
        raise PolicyError(f"{path}: {error}") from None


def _policy(text: dict[str, Any]) -> Policy:
    faults = _Faults()
    for name in text:
        faults.read(partial(_known, (name,), _PARTS, ""), None)

    def extended(exercise: str, table: Any) -> dict[str, datetime]:
        where = f"extensions.{exercise}"
        return faults.each(
            lambda: _items(table, exercise),
            lambda student, value: _moment(_unsplit(value, exercise, student), f"{where}.{student}"),
        )

    policy = Policy(
        faults.each(lambda: _exercises(text, "due"), lambda name, value: _moment(value, f"due.{name}")),
        faults.each(lambda: _exercises(text, "extensions"), extended),
        faults.read(lambda: _late(_table(text, "late")) if "late" in text else None, None),
        faults.each(lambda: _exercises(text, "void"), _questions),
        faults.read(lambda: _number(text, "drop_lowest", 0, whole=True), 0),
        faults.read(lambda: _attempts(text), {}),
    )
    due = text.get("due")
    faults.found += [
        f"extensions for {name}, which has no due date; give it one in [due]"
        for name in sorted(policy.extensions.keys() - (due if isinstance(due, dict) else {}).keys())
    ]
    if faults.found:
        raise PolicyError("\n  ".join(faults.found))
    return policy


def _known(table: Collection[str], names: Collection[str], where: str) -> None:
    for name in table:
        if name not in names:
            near = nearest(name, names)
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join(sorted(names))}"
            raise PolicyError(f"{where}{name!r} is not known; {hint}")


def _table(text: dict[str, Any], key: str) -> dict[str, Any]:
    found = text.get(key, {})
    if not isinstance(found, dict):
        raise PolicyError(f"{key!r} is a table: write [{key}] above its lines")
    return found


def _items(value: Any, name: str) -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        raise PolicyError(f"write [extensions.{name}], and below it a line for each student")
    return list(value.items())


def _unsplit(value: Any, name: str, student: str) -> Any:
    """The value; TOML makes a table of `ann.lee = …`, where the name stands without quotation marks."""
    if not isinstance(value, dict):
        return value
    meant = f"{student}.{next(iter(value), '…')}"
    raise PolicyError(
        f"extensions.{name}.{student} is a table; a name with a dot stands in quotation marks: "
        f'"{meant}" = {EXAMPLES.split(" or ")[0]}'
    )


def _exercises(text: dict[str, Any], key: str) -> list[tuple[str, Any]]:
    """The entries of a table whose keys are exercises."""
    found = _table(text, key)
    wrong = []
    for name in found:
        try:
            load_exercise(name)
        except LookupError as error:
            wrong.append(f"[{key}] names no exercise with {name!r}; {error}")
    if wrong:
        raise PolicyError("\n  ".join(wrong))
    return list(found.items())


def _moment(value: Any, where: str) -> datetime:
    """A date and time with its zone: TOML's own, or text."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    if isinstance(value, str):
        try:
            return read_time(value)
        except ValueError as error:
            raise PolicyError(f"{where}: {error}") from None
    raise PolicyError(f"{where} = {value} does not say in which time zone; write {EXAMPLES.split(' or ')[0]}")


def _late(table: dict[str, Any]) -> LatePolicy:
    _known(table, ("deduct_percent", "every", "lowest_percent", "grace_minutes"), "late.")
    if "deduct_percent" not in table:
        raise PolicyError(
            "[late] needs deduct_percent: how many percent of the points possible a day late costs"
        )
    every = table.get("every", "day")
    if every not in SECONDS:
        raise PolicyError(f"late.every = {every!r} is not {' or '.join(map(repr, SECONDS))}")
    return LatePolicy(
        _number(table, "deduct_percent", 0, most=100),
        every,
        _number(table, "lowest_percent", 0, most=100),
        60 * _number(table, "grace_minutes", 0),
    )


def _number(
    table: dict[str, Any], key: str, missing: int, most: float = math.inf, *, whole: bool = False
) -> Any:
    value = table.get(key, missing)
    if (
        isinstance(value, bool)
        or not isinstance(value, int if whole else int | float)
        or not 0 <= value <= most
    ):
        kind = "a whole number" if whole else "a number"
        raise PolicyError(
            f"{key} = {value!r} is not {kind} from 0" + ("" if most == math.inf else f" to {most:g}")
        )
    return value


def _attempts(text: dict[str, Any]) -> dict[str, str]:
    """One word for all exercises, or a table with one for each."""
    if "attempts" not in text:
        return {}
    found = text["attempts"]
    words = dict(_exercises(text, "attempts")) if isinstance(found, dict) else {"": found}
    for name, word in words.items():
        if word not in ATTEMPTS:
            where = f"attempts.{name}" if name else "attempts"
            raise PolicyError(f"{where} = {word!r} is not {' or '.join(map(repr, ATTEMPTS))}")
    return words


def _questions(exercise: str, value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise PolicyError(f'void.{exercise} is a list of questions: ["q3"]')
    _known(value, load_exercise(exercise).questions.keys(), f"void.{exercise}: ")
    return frozenset(value)

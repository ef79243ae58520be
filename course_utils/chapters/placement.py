"""A path of one's own through the chapters: a short form in, chapters with reasons and times out.

What each chapter is for, what it needs and how long it takes comes from the chapters themselves
(`chapter`); everything else is a rule of one line.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from course_utils.chapters.chapter import EXPERIENCE, Chapter, chapters

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SITTING_HOURS = 2.0
HARDWARE = ("laptop", "gpu")
FEW_ROWS = 1000
EVERYTHING = "everything"
#: The goals that the form shows first, most asked for first. Others follow in the order
#: of the chapters that name them.
FIRST_GOALS = (
    "use models",
    "prepare data",
    "share my work",
    "judge models",
    "decide whether to train",
    "fine-tune",
    "fine-tune cheaply",
    "teach several tasks",
    "reuse what a model knows",
    "show results",
)


def goals_of(available: Iterable[Chapter]) -> dict[str, tuple[str, ...]]:
    """goal -> the chapters that are good for it, for every goal that a chapter names and for everything."""
    available = list(available)
    named = list(dict.fromkeys(goal for chapter in available for goal in chapter.good_for))
    order = [goal for goal in FIRST_GOALS if goal in named]
    order += [goal for goal in named if goal not in order]
    goals = {goal: tuple(each.name for each in available if goal in each.good_for) for goal in order}
    return goals | {EVERYTHING: tuple(each.name for each in available)}


def __getattr__(name: str) -> dict[str, tuple[str, ...]]:
    """`GOALS` is read from the lessons when it is asked for: the package can be imported without them."""
    if name == "GOALS":
        return goals_of(chapters())
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@dataclass(frozen=True)
class Step:
    """One chapter of a path, why it is there, and the sitting it falls into (from 1)."""

    chapter: Chapter
    why: str
    sitting: int


@dataclass(frozen=True)
class Plan:
    """A path. left_out: chapter -> why it is not on the path. notes: advice in whole sentences."""

    steps: tuple[Step, ...]
    left_out: dict[str, str]
    notes: tuple[str, ...]

    @property
    def minutes(self) -> float:
        return sum(step.chapter.minutes for step in self.steps)

    @property
    def longest(self) -> float:
        """Minutes of somebody who is new to every exercise."""
        return sum(step.chapter.longest for step in self.steps)

    def __str__(self) -> str:
        lines = [f"{'sitting':8}{'chapter':28}{'lessons':>9}{'exercise':>16}  why"]
        for step in self.steps:
            read = step.chapter.reading + step.chapter.running
            exercise = f"{step.chapter.exercise:.0f} to {step.chapter.longest_exercise:.0f} min"
            lines.append(f"{step.sitting:<8}{step.chapter.name:28}{read:5.0f} min{exercise:>16}  {step.why}")
        lines.append(f"{'':8}{'together':28}{span(self.minutes, self.longest)}")
        lines += [f"left out: {name}, {why}" for name, why in self.left_out.items()]
        return "\n".join([*lines, *self.notes])


def hours(minutes: float) -> str:
    """ "2 h 05", the way a timetable writes it."""
    whole = round(minutes)
    return f"{whole // 60} h {whole % 60:02}"


def span(shortest: float, longest: float) -> str:
    """ "2 h 05 to 3 h 10"."""
    return f"{hours(shortest)} to {hours(longest)}"


def plan(
    goals: Sequence[str],
    experience: str,
    rows: int,
    hardware: str,
    sitting_hours: float = SITTING_HOURS,
    available: Sequence[Chapter] | None = None,
) -> Plan:
    """The path for one person, as a `Plan`.

    goals: names in GOALS. experience: a name in EXPERIENCE. rows: how many labelled examples of their own
    task they have. hardware: "laptop" or "gpu". sitting_hours: how long they like to work at a stretch.
    available: a list of `Chapter`; those of this workbook, unless given. Raises ValueError for an answer that
    the form does not know, with the answers that it does.
    """
    available = chapters() if available is None else available
    for goal in goals:
        _known(goal, goals_of(available), "goals")
    _known(experience, EXPERIENCE, "experience")
    _known(hardware, HARDWARE, "hardware")
    if rows < 0 or not sitting_hours > 0:
        raise ValueError("rows is 0 or more, and sitting_hours more than 0.")
    wanted = _wanted(available, goals, rows, hardware)
    known = {each.name for each in available if experience in each.left_out_by and each.name not in wanted}
    reasons = _with_what_they_need(available, wanted, known)
    chosen = [chapter for chapter in available if chapter.name in reasons]
    left_out = {chapter.name: _why_not(chapter.name, known) for chapter in available if chapter not in chosen}
    sittings = _sittings([chapter.minutes for chapter in chosen], sitting_hours * 60)
    steps = tuple(
        Step(chapter, reasons[chapter.name], number) for chapter, number in zip(chosen, sittings, strict=True)
    )
    return Plan(steps, left_out, (*_too_long(steps, sitting_hours * 60), _note(hardware)))


def _known(answer: str, choices: Iterable[str], what: str) -> None:
    if answer not in choices:
        raise ValueError(f"{answer!r} is no answer for {what}. Choose from: {', '.join(choices)}.")


def _wanted(available: Sequence[Chapter], goals: Sequence[str], rows: int, hardware: str) -> dict[str, str]:
    """chapter -> why somebody asked for it, or why it helps them besides."""
    chapters_for = goals_of(available)
    wanted = {name: goal for goal in goals for name in chapters_for[goal]}
    trains = {goal for chapter in available if chapter.trains for goal in chapter.good_for}
    if not trains & set(goals):
        return wanted
    for chapter in available:
        for situation in _situations(rows, hardware):
            if situation in chapter.also_for:
                wanted.setdefault(chapter.name, chapter.also_for[situation].replace("{rows}", str(rows)))
    return wanted


def _situations(rows: int, hardware: str) -> list[str]:
    """Which of `SITUATIONS` hold."""
    holds = {"no_rows": rows == 0, "few_rows": 0 < rows < FEW_ROWS, "laptop": hardware == "laptop"}
    return [situation for situation, true in holds.items() if true]


def _with_what_they_need(
    available: Sequence[Chapter], wanted: dict[str, str], known: set[str]
) -> dict[str, str]:
    """`wanted` and, each with its reason, every chapter on the way there that is not known."""
    needs = {chapter.name: chapter.needs for chapter in available}
    reasons, open_names = dict(wanted), list(wanted)
    while open_names:
        name = open_names.pop(0)
        for needed in needs[name]:
            if needed not in reasons and needed not in known:
                reasons[needed] = f"needed for {name[:2]}"
                open_names.append(needed)
    return reasons


def _why_not(name: str, known: set[str]) -> str:
    return "you know it" if name in known else "not needed for your goals"


def _sittings(minutes: Iterable[float], longest: float) -> list[int]:
    """The sitting of each chapter: chapters stay whole, and one that is longer
    than a sitting fills it alone.
    """
    numbers, number, used = [], 1, 0.0
    for each in minutes:
        if used and used + each > longest:
            number, used = number + 1, 0.0
        numbers.append(number)
        used += each
    return numbers


def _too_long(steps: Iterable[Step], longest: float) -> list[str]:
    """A note if a sitting may take longer than somebody likes to work: chapters are not cut in pieces."""
    minutes: dict[int, float] = {}
    for step in steps:
        minutes[step.sitting] = minutes.get(step.sitting, 0) + step.chapter.longest
    over = [f"{number} (up to {hours(each)})" for number, each in minutes.items() if each > longest]
    if not over:
        return []
    return [
        f"Longer than the {hours(longest)} of a sitting that you gave may be: {', '.join(over)}. Stop "
        "between two lessons, or before the exercise."
    ]


def _note(hardware: str) -> str:
    if hardware == "gpu":
        return "With a GPU and a network, work in the hub profile: the real models, the same notebooks."
    return "On a laptop the offline profile is enough for every lesson; it downloads nothing."


def picture(path: Plan) -> Figure:
    """A `Plan` as a timetable: one line a sitting, one box a chapter, as long as
    it takes (a Matplotlib figure).
    """
    from course_utils import plots

    rows: dict[str, list[tuple[str, float]]] = {}
    for step in path.steps:
        rows.setdefault(f"sitting {step.sitting}", []).append((step.chapter.name[:2], step.chapter.minutes))
    longest = max((math.fsum(length for _, length in row) for row in rows.values()), default=0)
    title = f"Your path: {span(path.minutes, path.longest)}, here the shorter"
    return plots.timetable(rows, title, "minutes", longest)

"""A path of one's own through the chapters: a short form in, chapters with reasons and times out.

The times come from the course itself: what a notebook states to run, how much there is to read in it, and the minutes
on the exercise's card. The table below says what each chapter is for; everything else is a rule of one line.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from course_utils.checks.framework import load_exercise
from course_utils.install import ROOT

#: Half the pace at which adults read non-fiction in silence, 238 words a minute (Brysbaert 2019, Journal of Memory
#: and Language 109): whoever reads a lesson also runs it and looks at what comes out. The half is an assumption.
WORDS_A_MINUTE = 119
SITTING_HOURS = 2.0

#: chapter -> the chapters whose matter it uses
NEEDS = {
    "00_start_here": (),
    "01_the_hub": ("00_start_here",),
    "02_datasets": ("00_start_here",),
    "03_models_and_pipelines": ("02_datasets",),
    "04_evaluation": ("03_models_and_pipelines",),
    "05_train_or_not": ("04_evaluation",),
    "06_full_fine_tuning": ("03_models_and_pipelines", "04_evaluation"),
    "07_catastrophic_forgetting": ("06_full_fine_tuning",),
    "08_transfer_learning": ("06_full_fine_tuning",),
    "09_multi_task": ("07_catastrophic_forgetting",),
    "10_lora_and_peft": ("06_full_fine_tuning",),
    "11_results_and_demos": ("04_evaluation",),
    "12_where_next": ("00_start_here",),
}
GOALS = {
    "use models": ("03_models_and_pipelines",),
    "prepare data": ("02_datasets",),
    "share my work": ("01_the_hub",),
    "judge models": ("04_evaluation",),
    "decide whether to train": ("05_train_or_not",),
    "fine-tune": ("06_full_fine_tuning", "07_catastrophic_forgetting"),
    "fine-tune cheaply": ("10_lora_and_peft",),
    "teach several tasks": ("09_multi_task",),
    "reuse what a model knows": ("08_transfer_learning",),
    "show results": ("11_results_and_demos",),
    "everything": tuple(NEEDS),
}
#: experience -> chapters that somebody with it may leave out, unless they are what is wanted
EXPERIENCE = {
    "new to this": (),
    "have used models": ("00_start_here", "03_models_and_pipelines"),
    "have trained models": ("00_start_here", "02_datasets", "03_models_and_pipelines", "04_evaluation"),
}
HARDWARE = ("laptop", "gpu")
FEW_ROWS = 1000
TRAINS = {"fine-tune", "fine-tune cheaply", "teach several tasks", "reuse what a model knows"}


@dataclass(frozen=True)
class Chapter:
    """What a chapter asks of a reader, in minutes. running: of the machine, while cells run."""

    name: str
    reading: float
    running: float
    exercise: float

    @property
    def minutes(self):
        return self.reading + self.running + self.exercise


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
    def minutes(self):
        return sum(step.chapter.minutes for step in self.steps)

    def __str__(self):
        lines = [f"{'sitting':8}{'chapter':28}{'lessons':>9}{'exercise':>10}  why"]
        for step in self.steps:
            read = step.chapter.reading + step.chapter.running
            lines.append(
                f"{step.sitting:<8}{step.chapter.name:28}{read:5.0f} min{step.chapter.exercise:6.0f} min  {step.why}"
            )
        lines.append(f"{'':8}{'together':28}{hours(self.minutes):>9}")
        lines += [f"left out: {name}, {why}" for name, why in self.left_out.items()]
        return "\n".join([*lines, *self.notes])


def hours(minutes):
    """ "2 h 05", the way a timetable writes it."""
    whole = round(minutes)
    return f"{whole // 60} h {whole % 60:02}"


def chapters(root=ROOT):
    """The chapters that are here, in order, as a list of `Chapter`."""
    folders = sorted(path for path in (Path(root) / "lessons").glob("[0-9][0-9]_*") if path.is_dir())
    return [_chapter(folder) for folder in folders]


def _chapter(folder):
    notebooks = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.ipynb"))]
    words = sum(_words(notebook) for notebook in notebooks)
    seconds = sum(notebook["metadata"].get("course", {}).get("seconds", 0) for notebook in notebooks)
    return Chapter(folder.name, words / WORDS_A_MINUTE, seconds / 60, _exercise_minutes(folder.name))


def _words(notebook):
    """Words that a learner reads: prose and code, without the instructor's notes and without outputs."""
    cells = [cell for cell in notebook["cells"] if "instructor" not in cell["metadata"].get("tags", [])]
    return sum(len("".join(cell["source"]).split()) for cell in cells)


def _exercise_minutes(name):
    try:
        return load_exercise(name).minutes
    except LookupError:
        return 0


def plan(goals, experience, rows, hardware, sitting_hours=SITTING_HOURS, available=None):
    """The path for one person, as a `Plan`.

    goals: names in GOALS. experience: a name in EXPERIENCE. rows: how many labelled examples of their own task they
    have. hardware: "laptop" or "gpu". sitting_hours: how long they like to work at a stretch.
    available: a list of `Chapter`; those of this workbook, unless given. Raises ValueError for an answer that the
    form does not know, with the answers that it does.
    """
    for goal in goals:
        _known(goal, GOALS, "goals")
    _known(experience, EXPERIENCE, "experience")
    _known(hardware, HARDWARE, "hardware")
    if rows < 0 or not sitting_hours > 0:
        raise ValueError("rows is 0 or more, and sitting_hours more than 0.")
    wanted = _wanted(goals, rows, hardware)
    known = {name for name in EXPERIENCE[experience] if name not in wanted}
    reasons = _with_what_they_need(wanted, known)
    available = chapters() if available is None else available
    chosen = [chapter for chapter in available if chapter.name in reasons]
    left_out = {chapter.name: _why_not(chapter.name, known) for chapter in available if chapter not in chosen}
    sittings = _sittings([chapter.minutes for chapter in chosen], sitting_hours * 60)
    steps = tuple(
        Step(chapter, reasons[chapter.name], number) for chapter, number in zip(chosen, sittings, strict=True)
    )
    return Plan(steps, left_out, (_note(hardware),))


def _known(answer, choices, what):
    if answer not in choices:
        raise ValueError(f"{answer!r} is no answer for {what}. Choose from: {', '.join(choices)}.")


def _wanted(goals, rows, hardware):
    """chapter -> why somebody asked for it."""
    wanted = {name: goal for goal in goals for name in GOALS[goal]}
    if TRAINS & set(goals):
        if rows == 0:
            wanted.setdefault("05_train_or_not", "no rows yet: is training the way?")
        elif rows < FEW_ROWS:
            wanted.setdefault("05_train_or_not", f"only {rows} rows: what can they teach?")
        if hardware == "laptop":
            wanted.setdefault("10_lora_and_peft", "a laptop trains few weights more easily than all")
    return wanted


def _with_what_they_need(wanted, known):
    """`wanted` and, each with its reason, every chapter on the way there that is not known."""
    reasons, open_names = dict(wanted), list(wanted)
    while open_names:
        name = open_names.pop(0)
        for needed in NEEDS[name]:
            if needed not in reasons and needed not in known:
                reasons[needed] = f"needed for {name[:2]}"
                open_names.append(needed)
    return reasons


def _why_not(name, known):
    return "you know it" if name in known else "not needed for your goals"


def _sittings(minutes, longest):
    """The sitting of each chapter: chapters stay whole, and one that is longer than a sitting fills it alone."""
    numbers, number, used = [], 1, 0.0
    for each in minutes:
        if used and used + each > longest:
            number, used = number + 1, 0.0
        numbers.append(number)
        used += each
    return numbers


def _note(hardware):
    if hardware == "gpu":
        return "With a GPU and a network, work in the hub profile: the real models, the same notebooks."
    return "On a laptop the offline profile is enough for every lesson; it downloads nothing."


def picture(path):
    """A `Plan` as a timetable: one line a sitting, one box a chapter, as long as it takes."""
    from course_utils.plots import drawings

    rows = {}
    for step in path.steps:
        rows.setdefault(f"sitting {step.sitting}", []).append((step.chapter.name[:2], step.chapter.minutes))
    longest = max((math.fsum(length for _, length in row) for row in rows.values()), default=0)
    return drawings.timetable(rows, f"Your path: {hours(path.minutes)}", "minutes", longest)

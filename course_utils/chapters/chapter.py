"""What a chapter says of itself: its `chapter.toml`, its notebooks and its
exercise's card, as one `Chapter`.

A chapter is a folder `lessons/NN_topic`. Its `chapter.toml` says::

    title = "Full fine-tuning"               # as the first page shows it
    track = "day"                            # a name in TRACKS
    needs = ["04_evaluation"]                # chapters before it whose matter it uses
    good_for = ["fine-tune"]                 # goals that a learner can choose; a new one may be named here
    trains = true                            # whoever has these goals trains a model
    left_out_by = ["have trained models"]    # names in EXPERIENCE: who may leave it out

    [also_for]                               # why it helps those who train, by their situation (SITUATIONS)
    few_rows = "only {rows} rows: what can they teach?"

    [[slot]]                                 # its place in the timetable of its track; any number of them
    section = "2 · Training"                 # where the track has sections; else the chapter is one
    lessons = [1]                            # all of them, unless given
    minutes = 35
    exercise = true                          # its exercise is begun in class
    cut = "the cost table of 06"             # what to leave out when it is late
    cut_first = true                         # before what others of the section leave out

Only `title` and `track` must be there.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from course_utils.chapters.first_cell import BEGINNING, IMPORT
from course_utils.checks.framework import load_exercise, newcomers_minutes
from course_utils.near import nearest
from course_utils.workplace import WORKBOOK

#: Half the pace at which adults read non-fiction in silence, 238 words a minute (Brysbaert 2019,
#: Journal of Memory and Language 109): whoever reads a lesson also runs it and looks at what
#: comes out. The half is an assumption.
WORDS_A_MINUTE = 119
FILE = "chapter.toml"
EXPERIENCE = ("new to this", "have used models", "have trained models")
SITUATIONS = ("no_rows", "few_rows", "laptop")


@dataclass(frozen=True)
class Track:
    """Chapters that are taught together.

    title: the heading above its chapters. starts: minutes on the clock. sections: in order; without them
    every chapter is a section of its own.
    """

    title: str
    starts: int = 0
    sections: tuple[str, ...] = ()


TRACKS = {
    "day": Track(
        "The day",
        6 * 60,
        (
            "Recap: attention, from scratch to pre-trained",
            "1 · The Hugging Face stack",
            "2 · Training, the not so easy part",
            "3 · Single task, many tasks, few weights",
            "4 · Finish, compare, show",
            "5 · Questions, where next",
        ),
    ),
    "training": Track("Training in depth"),
    "production": Track("Into production"),
    "performance": Track("Large and fast"),
}


class ChapterError(ValueError):
    """A chapter that cannot be read; the message names the file and the key, and says what to do."""


@dataclass(frozen=True)
class Slot:
    """A chapter's place in its track's timetable; see the module for what each field says."""

    minutes: int
    section: str = ""
    lessons: tuple[int, ...] = ()
    exercise: bool = False
    cut: str = ""
    cut_first: bool = False


@dataclass(frozen=True)
class Lesson:
    """One notebook. words: what a learner reads. seconds: what its cells state to take on two cores."""

    file: str
    title: str
    words: int
    seconds: float

    @property
    def number(self) -> int:
        return int(self.file[:2])


@dataclass(frozen=True)
class Chapter:
    """What a chapter says of itself, and what it asks of a reader.

    exercise: minutes on its exercise's card. points: all that the exercise gives. has_exercise: whether its
    notebook is in `solutions/`, or in a learner's edition in `exercises/`. Everything else is described
    at the top of the module.
    """

    name: str
    title: str
    track: str
    needs: tuple[str, ...] = ()
    good_for: tuple[str, ...] = ()
    trains: bool = False
    left_out_by: tuple[str, ...] = ()
    also_for: Mapping[str, str] = field(default_factory=dict)
    slots: tuple[Slot, ...] = ()
    lessons: tuple[Lesson, ...] = ()
    exercise: float = 0
    points: float = 0
    has_exercise: bool = False

    @property
    def number(self) -> str:
        return self.name[:2]

    @property
    def reading(self) -> float:
        """Minutes to read all lessons."""
        return sum(lesson.words for lesson in self.lessons) / WORDS_A_MINUTE

    @property
    def running(self) -> float:
        """Minutes of the machine, while the lessons' cells run."""
        return sum(lesson.seconds for lesson in self.lessons) / 60

    @property
    def longest_exercise(self) -> float:
        """Minutes for its exercise, of somebody who is new to the matter."""
        return newcomers_minutes(self.exercise)

    @property
    def minutes(self) -> float:
        return self.reading + self.running + self.exercise

    @property
    def longest(self) -> float:
        """`minutes` with the longest time for its exercise."""
        return self.reading + self.running + self.longest_exercise


def chapters(root: Path = WORKBOOK) -> list[Chapter]:
    """The chapters that are in `root/lessons`, in order.

    Raises `ChapterError` for one that is not sound.
    """
    folders = sorted(path for path in (Path(root) / "lessons").glob("[0-9][0-9]_*") if path.is_dir())
    found = [read_chapter(folder) for folder in folders]
    for position, chapter in enumerate(found):
        earlier = [each.name for each in found[:position]]
        _choose(folders[position] / FILE, "needs", chapter.needs, earlier, "chapters before this one")
    return found


def read_chapter(folder: Path) -> Chapter:
    """The chapter in a folder `lessons/NN_topic`. Raises `ChapterError`."""
    said = _read_toml(folder / FILE)
    slots = said.pop("slot", ())
    lessons = tuple(_read_lesson(path) for path in sorted(folder.glob("[0-9]*.ipynb")))
    return Chapter(
        folder.name,
        **said,
        slots=tuple(_read_slot(folder / FILE, said["track"], slot, lessons) for slot in slots),
        lessons=lessons,
        **_exercise(folder.name),
        has_exercise=_has_exercise(folder.parents[1], folder.name),
    )


def _has_exercise(root: Path, name: str) -> bool:
    """A clone has its source, a learner's edition the released notebook."""
    notebook = Path(name, f"{name}.ipynb")
    return any((root / place / notebook).exists() for place in ("solutions", "exercises"))


# chapter.toml

Test = Callable[[object], bool]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and not set(value) & set("|\n")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


_TEXT: tuple[str, Test] = ("a text in quotes, on one line and without |", _is_text)
_TEXTS: tuple[str, Test] = (
    'a list of texts, such as ["one", "two"]',
    lambda value: isinstance(value, list) and all(map(_is_text, value)),
)
_TEXT_BY_KEY: tuple[str, Test] = (
    "a table of texts",
    lambda value: isinstance(value, dict) and all(map(_is_text, value.values())),
)
_TABLES: tuple[str, Test] = (
    "a list of tables; begin each with [[slot]]",
    lambda value: isinstance(value, list) and all(isinstance(each, dict) for each in value),
)
_YES: tuple[str, Test] = ("true or false", lambda value: isinstance(value, bool))
_COUNT: tuple[str, Test] = ("a whole number above 0", _is_count)
_COUNTS: tuple[str, Test] = (
    "a list of whole numbers above 0, such as [1, 2]",
    lambda value: isinstance(value, list) and all(map(_is_count, value)),
)
#: key -> what must stand there, in words and as a test
_KEYS = {
    "title": _TEXT,
    "track": _TEXT,
    "needs": _TEXTS,
    "good_for": _TEXTS,
    "trains": _YES,
    "left_out_by": _TEXTS,
    "also_for": _TEXT_BY_KEY,
    "slot": _TABLES,
}
_SLOT_KEYS = {
    "section": _TEXT,
    "lessons": _COUNTS,
    "minutes": _COUNT,
    "exercise": _YES,
    "cut": _TEXT,
    "cut_first": _YES,
}


def _read_toml(path: Path) -> dict:
    """A `chapter.toml` as fields of `Chapter`, lists as tuples, with
    the slots as they stand there.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ChapterError(
            f'{path} is missing. Write one with title = "..." and track = "...", like the other chapters.'
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ChapterError(f"{path} is no TOML: {error}. Mend that place in the file.") from error
    _hold(path, "", said, _KEYS, ("title", "track"))
    _choose(path, "track", [said["track"]], TRACKS, "tracks")
    _choose(path, "left_out_by", said.get("left_out_by", ()), EXPERIENCE, "kinds of experience")
    _choose(path, "also_for", said.get("also_for", ()), SITUATIONS, "situations")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}


def _read_slot(path: Path, track: str, said: dict, lessons: tuple[Lesson, ...]) -> Slot:
    sections = TRACKS[track].sections
    _hold(path, "slot.", said, _SLOT_KEYS, ("minutes", "section") if sections else ("minutes",))
    if sections:
        _choose(path, "slot.section", [said["section"]], sections, f"sections of the track {track}")
    numbers = [lesson.number for lesson in lessons]
    _choose(path, "slot.lessons", said.get("lessons", ()), numbers, "lessons of this chapter")
    return Slot(**{**said, "lessons": tuple(said.get("lessons", ()))})


def _hold(path: Path, where: str, said: dict, keys: dict, required: tuple[str, ...]) -> None:
    """Raise `ChapterError` unless a table has the keys that it must have, none
    that is unknown, and fit values.
    """
    for key in required:
        if key not in said:
            raise ChapterError(f"{path}: {where}{key} is missing. Give it {keys[key][0]}.")
    for key, value in said.items():
        _choose(path, where + key, [key], keys, "keys")
        words, fits = keys[key]
        if not fits(value):
            raise ChapterError(f"{path}: {where}{key} is {value!r}. Give it {words}.")


def _choose(path: Path, key: str, chosen: Iterable, choices: Iterable, what: str) -> None:
    """Raise `ChapterError` for the first of `chosen` that is not among `choices`."""
    choices = list(map(str, choices))
    for each in map(str, chosen):
        if each not in choices:
            near = nearest(each, choices)
            advice = f"Did you mean {near!r}? " if near else ""
            raise ChapterError(
                f"{path}: {key}: {each!r} is not among the {what}. {advice}There are: "
                f"{', '.join(choices) or 'none'}."
            )


# Notebooks and cards


def _read_lesson(path: Path) -> Lesson:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    seconds = notebook["metadata"].get("course", {}).get("seconds", 0)
    return Lesson(path.name, _title(path, notebook["cells"]), _words(notebook["cells"]), seconds)


def _title(path: Path, cells: list[dict]) -> str:
    """The first heading of a notebook."""
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    lines = "\n".join(texts).splitlines()
    title = next((line[2:].strip() for line in lines if line.startswith("# ")), None)
    if title is None:
        raise ChapterError(f"{path} has no title. Begin its first text cell with a line such as '# Train'.")
    return title


def _words(cells: list[dict]) -> int:
    """Words that a learner reads: prose and code, without the instructor's notes and without outputs. What
    begins every notebook counts as the import that it is.
    """
    read = [cell for cell in cells if "instructor" not in cell["metadata"].get("tags", [])]
    return sum(len("".join(cell["source"]).replace(BEGINNING, IMPORT).split()) for cell in read)


def _exercise(name: str) -> dict[str, Any]:
    """Minutes and points of a chapter's exercise, 0 where there is none."""
    try:
        exercise = load_exercise(name)
    except LookupError:
        return {"exercise": 0, "points": 0}
    return {"exercise": exercise.minutes, "points": exercise.points}

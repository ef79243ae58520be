"""Build `exercises/` from `solutions/`; the command is in `release`.

nbgrader's own `generate_assignment` does the work, with two steps of ours before
its: cells tagged `instructor` are left out, and points are filled in from the
checks module, which is the only place they are written. The same sources give the
same bytes, and no database is touched.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
    NbGraderPreprocessor,
    SaveCells,
)
from traitlets.config import Config

from course_utils.checks.framework import Exercise, Question, load_exercise
from course_utils.grading.run.executor import CHECK_SUFFIX
from course_utils.learners import INSTRUCTOR_TAG, LITTER

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
DIFFERENCE_LINES = 40


class ReleaseError(Exception):
    """A solution notebook that cannot be released as it is; the message says what to change."""


class LeaveOutNotes(NbGraderPreprocessor):
    """Leave out instructor notes, and give every notebook the same plain metadata."""

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        nb.cells = [cell for cell in nb.cells if INSTRUCTOR_TAG not in cell.metadata.get("tags", [])]
        nb.metadata = NotebookNode(kernelspec=NotebookNode(KERNEL), language_info=NotebookNode(name="python"))
        return nb, resources


class FillPoints(NbGraderPreprocessor):
    """Write each question's points into its graded cell, and see that notebook and checks agree."""

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        exercise = load_exercise(resources["nbgrader"]["assignment"])
        graded = {}
        for cell in nb.cells:
            if utils.is_grade(cell):
                graded[cell.metadata.nbgrader["grade_id"]] = cell
        check_cells(
            exercise, graded, {c.metadata.nbgrader["grade_id"] for c in nb.cells if utils.is_solution(c)}
        )
        for question in exercise.questions.values():
            cell = graded[graded_cell(question)]
            _no_other_points(question, cell.metadata.nbgrader.get("points"))
            cell.metadata.nbgrader["points"] = _plain(question.points)
        return nb, resources


def _no_other_points(question: Question, written: float | None) -> None:
    """Raise `ReleaseError` where somebody set points in nbgrader's panel: they would count for nothing."""
    if written and written != question.points:
        raise ReleaseError(
            f"{question.exercise}, {graded_cell(question)}: nbgrader's panel says {written:g} points, its "
            f"check {question.points:g}. Points are set with the check only: change them there, or put 0 or "
            f"{question.points:g} in the panel"
        )


def _plain(points: float) -> float:
    """A whole number where it is one: notebooks then read 4 and not 4.0."""
    return int(points) if float(points).is_integer() else points


def graded_cell(question: Question) -> str:
    """The grade id of the cell that carries a question's points."""
    return question.name if question.manual else question.name + CHECK_SUFFIX


def check_cells(exercise: Exercise, graded: dict[str, NotebookNode], answers: set[str]) -> None:
    """Raise `ReleaseError` unless every question has its cells, and every graded cell a question."""
    wanted = {graded_cell(question): question for question in exercise.questions.values()}
    for name in sorted(set(wanted) ^ set(graded)):
        where = (
            "no question of that name in its checks"
            if name in graded
            else "no graded cell with that grade id"
        )
        raise ReleaseError(f"{exercise.name}, {name}: there is {where}")
    for name, question in wanted.items():
        if question.name not in answers:
            raise ReleaseError(
                f"{exercise.name}, {question.name}: there is no answer cell with that grade id"
            )
        expected = f'course.check("{question.name}")'
        if not question.manual and graded[name].source.strip() != expected:
            raise ReleaseError(
                f"{exercise.name}, {name}: the check cell should hold {expected} and nothing else"
            )


def check_ids(path: Path) -> None:
    """Raise `ReleaseError` unless every cell of a notebook has an id of its own.

    A missing id would be drawn at random by nbformat, and the release would differ each time.
    """
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    seen: set[str] = set()
    for number, cell in enumerate(cells):
        name = cell.get("id")
        if not name or name in seen:
            raise ReleaseError(
                f"{path.name}: cell {number} has {'the same id as another' if name else 'no id'} ({name})"
            )
        seen.add(name)


#: nbgrader's steps with ours in front. SaveCells is left out where no gradebook is wanted.
PREPROCESSORS = [
    LeaveOutNotes,
    FillPoints,
    LockCells,
    ClearSolutions,
    ClearOutput,
    CheckCellMetadata,
    ComputeChecksums,
    SaveCells,
    CheckCellMetadata,
]


def generate(name: str, root: Path, *, database: bool) -> None:
    """Build `root/release/<name>` from `root/source/<name>`.

    With `database`, what nbgrader has to know of the assignment goes into
    `root/gradebook.db`. Raises `ReleaseError` with the reason when it cannot be built.
    """
    config = Config()
    config.CourseDirectory.root = str(root)
    config.GenerateAssignment.preprocessors = PREPROCESSORS
    config.GenerateAssignment.no_database = not database
    config.SaveCells.enabled = database
    with quiet_log() as log:
        directory = CourseDirectory(config=config, log=log)
        directory.assignment_id = name
        converter = GenerateAssignment(coursedir=directory, config=config, log=log)
        converter.force = True
        try:
            converter.start()
        except Exception as error:
            reason = log.reason or str(error)
            if reason.startswith("Cannot add or remove cells"):
                reason = (
                    "its questions are others than those that were handed in; `course class questions` shows "
                    "what would change in the gradebook"
                )
            raise ReleaseError(f"{name}: {reason}") from error


class _Reasons(logging.Logger):
    """A silent log that keeps why something failed: nbgrader logs the
    traceback and raises something vague.
    """

    reason = ""

    def error(self, msg: object, *args: object, **options: Any) -> None:
        text = str(msg) % args if args else str(msg)
        if text.startswith("Traceback") and not self.reason:
            # an exception's line begins with its name; SQLAlchemy has lines of its own below it
            lines = [line for line in text.strip().splitlines() if re.match(r"[A-Za-z_][\w.]*(: |\Z)", line)]
            kind, _, said = lines[-1].partition(": ")
            self.reason = said or kind


@contextlib.contextmanager
def quiet_log() -> Iterator[_Reasons]:
    """A log for nbgrader's converters, with the environment's programs on the path (it calls alembic); its
    gradebook's log, which shows the traceback of what it raises, is silent meanwhile.
    """
    before = os.environ.get("PATH", "")
    gradebooks = logging.getLogger("tornado.application")
    level = gradebooks.level
    gradebooks.setLevel(logging.CRITICAL)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    try:
        yield _Reasons("course.nbgrader", logging.CRITICAL)
    finally:
        gradebooks.setLevel(level)
        os.environ["PATH"] = before


def exercise_names(solutions: Path) -> list[str]:
    """The names of all exercises that have a solution notebook."""
    return sorted(path.parent.name for path in solutions.glob("*/*.ipynb") if path.stem == path.parent.name)


def copy_source(solutions: Path, root: Path, name: str) -> None:
    """Put a solution where nbgrader looks for it, after a look at its cell ids."""
    check_ids(solutions / name / f"{name}.ipynb")
    place = root / "source" / name
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(solutions / name, place, ignore=shutil.ignore_patterns(*LITTER))


def build(solutions: Path, out: Path, names: list[str]) -> None:
    """Write the released form of each exercise to `out/<name>/`, replacing what was there."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place).resolve()
        for name in names:
            copy_source(solutions, root, name)
            generate(name, root, database=False)
            shutil.rmtree(out / name, ignore_errors=True)
            shutil.copytree(root / "release" / name, out / name)


def differences(made: Path, kept: Path, names: list[str]) -> list[str]:
    """What differs between two release folders, as lines to print; empty when they are the same."""
    lines = []
    for name in names:
        files = {
            path.relative_to(folder).as_posix() for folder in (made, kept) for path in _files(folder / name)
        }
        for file in sorted(files):
            lines += _file_difference(made / file, kept / file, file)
    for extra in (
        sorted({path.name for path in kept.iterdir() if path.is_dir()} - set(names)) if kept.is_dir() else []
    ):
        lines.append(f"{extra}: is in {kept.name}/ and has no solution")
    return lines


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not set(path.parts) & set(LITTER)]


def _file_difference(made: Path, kept: Path, name: str) -> list[str]:
    if not kept.exists() or not made.exists():
        return [f"{name}: {'is missing' if not kept.exists() else 'should not be there'}"]
    new, old = made.read_bytes(), kept.read_bytes()
    if new == old:
        return []
    before, after = (data.decode("utf-8", "replace").splitlines() for data in (old, new))
    found = list(
        difflib.unified_diff(before, after, f"{name} (as it is)", f"{name} (as released)", lineterm="", n=1)
    )
    return found[:DIFFERENCE_LINES] + (["..."] if len(found) > DIFFERENCE_LINES else [])

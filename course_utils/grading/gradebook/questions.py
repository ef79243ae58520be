"""Questions that an exercise got or lost after its first grading.

nbgrader refuses to release an assignment whose cells changed since somebody handed it in (`SaveCells`:
"Cannot add or remove cells"). Here the gradebook is brought to the cells of the solution as it is now,
through nbgrader's own tables and in one transaction: a cell that is new is there for every submission,
without a mark; with one that is gone go its marks and comments. All other marks stay as they are.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.api import (
    Comment,
    Grade,
    Gradebook,
    GradeCell,
    MissingEntry,
    Notebook,
    SolutionCell,
    SourceCell,
)

from course_utils.grading.gradebook.place import GRADEBOOK, database
from course_utils.grading.gradebook.release import ReleaseError, build

BACKUP = "gradebook-before.db"


@dataclass(frozen=True)
class QuestionPlan:
    """What an exercise's cells in the gradebook have to become.

    grades: the graded cells there will be, with what the gradebook says of each; solutions and sources
    alike. lines say what changes, for a person; none where the gradebook has these cells already.
    """

    exercise: str
    grades: dict[str, dict[str, Any]]
    solutions: frozenset[str]
    sources: dict[str, dict[str, Any]]
    lines: tuple[str, ...]


def plan(out: Path, solutions: Path, exercise: str) -> QuestionPlan:
    """What would change in a class's gradebook. Raises `ReleaseError` where the exercise cannot be released
    or the class has not got it.
    """
    with tempfile.TemporaryDirectory() as place:
        build(solutions, Path(place), [exercise])
        released = nbformat.read(Path(place, exercise, f"{exercise}.ipynb"), as_version=4)
    grades, answers, sources = _cells(released)
    with Gradebook(database(out)) as book:
        notebook = _notebook(book, exercise)
        lines = tuple(_lines(notebook, grades, answers))
    return QuestionPlan(exercise, grades, answers, sources, lines)


def follow(out: Path, wanted: QuestionPlan) -> None:
    """Change the gradebook as planned; a copy of it as it was lies beside it."""
    shutil.copyfile(out / GRADEBOOK, out / f".{BACKUP}")
    os.replace(out / f".{BACKUP}", out / BACKUP)
    with Gradebook(database(out)) as book:
        notebook = _notebook(book, wanted.exercise)
        _remove(book, notebook, wanted)
        _add(book, notebook, wanted)
        book.db.commit()


def _cells(released: NotebookNode) -> tuple[dict[str, dict], frozenset[str], dict[str, dict]]:
    """What nbgrader's SaveCells saves of a released notebook."""
    grades, answers, sources = {}, set(), {}
    for cell in released.cells:
        if not (utils.is_grade(cell) or utils.is_solution(cell) or utils.is_locked(cell)):
            continue
        marks = cell.metadata.nbgrader
        if utils.is_grade(cell):
            grades[marks.grade_id] = {"max_score": float(marks.points), "cell_type": cell.cell_type}
        if utils.is_solution(cell):
            answers.add(marks.grade_id)
        sources[marks.grade_id] = {
            "cell_type": cell.cell_type,
            "locked": utils.is_locked(cell),
            "source": cell.source,
            "checksum": marks.get("checksum"),
        }
    return grades, frozenset(answers), sources


def _lines(notebook: Notebook, grades: dict[str, dict], answers: frozenset[str]) -> Iterator[str]:
    there = {cell.name: cell for cell in notebook.grade_cells}
    handed_in = len(notebook.submissions)
    for name in sorted(grades.keys() - there):
        points = grades[name]["max_score"]
        yield f"{name}: added, {points:g} points; {handed_in} submissions have no mark for it"
    for name in sorted(there.keys() - grades):
        marked = [
            one for one in there[name].grades if one.manual_score is not None or one.auto_score is not None
        ]
        given = sum(one.manual_score is not None for one in marked)
        yield f"{name}: removed, with its {len(marked)} marks, {given} of them given by a person"
    for name in sorted(grades.keys() & there):
        before, after = there[name].max_score, grades[name]["max_score"]
        if before != after:
            higher = sum((one.manual_score or 0) > after for one in there[name].grades)
            more = f"; {higher} marks given by a person are higher" if higher else ""
            yield f"{name}: {before:g} -> {after:g} points{more}"
    written = {cell.name: cell for cell in notebook.solution_cells}
    for name in sorted(written.keys() - answers):
        words = sum(bool(one.manual_comment) for one in written[name].comments)
        yield f"{name}: its answer cell goes" + (f", with {words} comments by a person" if words else "")


def _remove(book: Gradebook, notebook: Notebook, wanted: QuestionPlan) -> None:
    for cell in [*notebook.grade_cells, *notebook.solution_cells]:
        graded = isinstance(cell, GradeCell)
        if cell.name in (wanted.grades if graded else wanted.solutions):
            continue
        for each in list(cell.grades if graded else cell.comments):
            book.db.delete(each)
        book.db.delete(cell)
    for source in notebook.source_cells:
        if source.name not in wanted.sources:
            book.db.delete(source)
    book.db.flush()


def _add(book: Gradebook, notebook: Notebook, wanted: QuestionPlan) -> None:
    there = {cell.name: cell for cell in notebook.grade_cells}
    for name, info in wanted.grades.items():
        if name in there:
            there[name].max_score = info["max_score"]
            continue
        cell = GradeCell(name=name, notebook=notebook, **info)
        book.db.add(cell)
        book.db.flush()
        for submitted in notebook.submissions:
            book.db.add(Grade(cell_id=cell.id, notebook=submitted, needs_manual_grade=True))
    for name in wanted.solutions - {cell.name for cell in notebook.solution_cells}:
        answer = SolutionCell(name=name, notebook=notebook)
        book.db.add(answer)
        book.db.flush()
        for submitted in notebook.submissions:
            book.db.add(Comment(cell_id=answer.id, notebook=submitted))
    sources = {source.name: source for source in notebook.source_cells}
    for name, info in wanted.sources.items():
        if name not in sources:
            book.db.add(SourceCell(name=name, notebook=notebook, **info))
    book.db.flush()


def _notebook(book: Gradebook, exercise: str) -> Notebook:
    try:
        return book.find_notebook(exercise, exercise)
    except MissingEntry:
        names = ", ".join(assignment.name for assignment in book.assignments) or "none"
        raise ReleaseError(f"the class has not got {exercise}; it has {names}") from None

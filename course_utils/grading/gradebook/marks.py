"""What the gradebook holds, read at once: ten thousand submissions take seconds.

nbgrader's own attributes ask the database again for every submission.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta

from nbgrader import api
from sqlalchemy import Row, Select, and_, select

from course_utils.grading.run.executor import CHECK_SUFFIX


@dataclass
class SubmittedMarks:
    """A submission in the gradebook.

    seconds_late: after the due date and this learner's extension; 0 where no date or no time is known.
    late_penalty: as the gradebook has it. points: by question, extra credit included, of those that have
    a mark. waiting: questions that want a person. by_itself: those whose mark no person has given.
    notebook: the id of its one notebook there.
    """

    student: str
    exercise: str
    notebook: str
    seconds_late: float
    late_penalty: float
    points: dict[str, float] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    by_itself: set[str] = field(default_factory=set)


def read_marks(
    book: api.Gradebook, of: tuple[str, str] | None = None
) -> dict[tuple[str, str], SubmittedMarks]:
    """{(student, exercise): what the gradebook holds}, in this order; of one submission only with `of`."""
    found: dict[tuple[str, str], SubmittedMarks] = {}
    for row in book.db.execute(_submissions(of)):
        found[row.student, row.exercise] = SubmittedMarks(
            row.student, row.exercise, row.notebook, _late(row), row.late_submission_penalty or 0.0
        )
    for row in book.db.execute(_grades(of)):
        marks, question = found[row.student, row.exercise], row.cell.removesuffix(CHECK_SUFFIX)
        if row.needs_manual_grade:
            marks.waiting.add(question)
        if row.auto_score is not None or row.manual_score is not None:
            marks.points[question] = row.score
        if row.auto_score is not None and row.manual_score is None:
            marks.by_itself.add(question)
    return found


def _late(row: Row) -> float:
    if row.timestamp is None or row.duedate is None:
        return 0.0
    due = row.duedate + (row.extension or timedelta())
    return max((row.timestamp - due).total_seconds(), 0.0)


def _submissions(of: tuple[str, str] | None) -> Select:
    wanted = (
        select(
            api.SubmittedAssignment.timestamp,
            api.SubmittedAssignment.extension,
            api.Assignment.duedate,
            api.SubmittedNotebook.id.label("notebook"),
            api.SubmittedNotebook.late_submission_penalty,
            *_NAMES,
        )
        .select_from(api.SubmittedNotebook)
        .order_by(api.Student.id, api.Assignment.name)
    )
    return _joined(wanted, of)


def _grades(of: tuple[str, str] | None) -> Select:
    wanted = (
        select(
            api.BaseCell.name.label("cell"),
            api.Grade.score,
            api.Grade.auto_score,
            api.Grade.manual_score,
            api.Grade.needs_manual_grade,
            *_NAMES,
        )
        .select_from(api.Grade)
        .join(api.BaseCell, api.Grade.cell_id == api.BaseCell.id)
        .join(api.SubmittedNotebook, api.Grade.notebook_id == api.SubmittedNotebook.id)
    )
    return _joined(wanted, of)


_NAMES = (api.Student.id.label("student"), api.Assignment.name.label("exercise"))


def _joined(wanted: Select, of: tuple[str, str] | None) -> Select:
    wanted = (
        wanted.join(
            api.SubmittedAssignment, api.SubmittedNotebook.assignment_id == api.SubmittedAssignment.id
        )
        .join(api.Assignment, api.SubmittedAssignment.assignment_id == api.Assignment.id)
        .join(api.Student, api.SubmittedAssignment.student_id == api.Student.id)
    )
    if of is None:
        return wanted
    student, exercise = of
    return wanted.where(and_(api.Student.id == student, api.Assignment.name == exercise))


def worth(book: api.Gradebook) -> dict[str, dict[str, float]]:
    """{exercise: {question: its points}}, as it was released to this class."""
    wanted = (
        select(api.Assignment.name, api.GradeCell.name, api.GradeCell.max_score)
        .join(api.Notebook, api.GradeCell.notebook_id == api.Notebook.id)
        .join(api.Assignment, api.Notebook.assignment_id == api.Assignment.id)
    )
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for exercise, cell, points in book.db.execute(wanted):
        found[exercise][cell.removesuffix(CHECK_SUFFIX)] = points
    return dict(found)

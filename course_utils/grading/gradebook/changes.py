"""What a new grading changed: whose mark, from what to what, and why; and the grading of some questions."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from nbformat import NotebookNode

from course_utils.checks.framework import Report
from course_utils.grading.run.executor import check_outputs, question_of
from course_utils.grading.run.journal import Entry

CHANGE_COLUMNS = ("student", "exercise", "question", "before", "after", "why")


@dataclass(frozen=True)
class MarkChange:
    """One question's points of the checks before and after; `None` is no mark."""

    student: str
    exercise: str
    question: str
    before: float | None
    after: float | None
    why: str

    def __str__(self) -> str:
        points = " -> ".join("no mark" if one is None else f"{one:g}" for one in (self.before, self.after))
        return f"{self.student} {self.exercise} {self.question}: {points} ({self.why})"

    def row(self) -> dict[str, str]:
        """As a line of changes.csv."""
        return {
            name: "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
            for name, value in vars(self).items()
        }


def changes(before: Entry | None, after: Entry) -> Iterator[MarkChange]:
    """The questions whose points are others than before; none where nothing was graded before."""
    if before is None:
        return
    for name in dict.fromkeys([*before.reports, *after.reports]):
        old, new = _points(before.reports.get(name)), _points(after.reports.get(name))
        if old != new:
            yield MarkChange(after.student, after.exercise, name, old, new, _why(before, after, name))


def _points(report: Report | None) -> float | None:
    return None if report is None or report.points is None else float(report.points)


def _why(before: Entry, after: Entry, question: str) -> str:
    if after.why:
        return after.why
    if question not in after.reports:
        return "the exercise has this question no more"
    if question not in before.reports:
        return "the exercise had not got this question"
    reasons = {
        "submission": "something else, or at another time, was handed in",
        "checks": "the checks, or what they rest on, changed",
        "seed": "another seed draws other data",
    }
    found = [
        text for name, text in reasons.items() if getattr(before.stamp, name) != getattr(after.stamp, name)
    ]
    unmarked = before.reports[question].points is None
    return "; ".join(found) or (
        "it could not be marked before"
        if unmarked
        else "the same work, checks and seed: look at this question"
    )


def only(questions: frozenset[str], before: Entry | None, after: Entry) -> Entry:
    """The new grading of some questions of a submission, with what stood for the others.

    All of it counts anew where nothing can be kept: where nothing or something else was graded before, or
    that failed as a whole. A new grading that failed as a whole takes nothing away.
    """
    if not questions or before is None or before.why or after.notebook is None:
        return after
    if after.why:
        return replace(before, notebook=None, again=False)
    reports = {
        name: report if name in questions else before.reports.get(name, report)
        for name, report in after.reports.items()
    }
    notebook = _with_outputs(
        after.notebook, {name: one for name, one in reports.items() if name not in questions}
    )
    if before.stamp.submission != after.stamp.submission:
        return after
    return replace(after, reports=reports, notebook=notebook, kept=before.oldest)


def _with_outputs(notebook: NotebookNode, reports: dict[str, Report]) -> NotebookNode:
    """A graded notebook whose check cells show these reports."""
    notebook = copy.copy(notebook)
    notebook.cells = [copy.copy(cell) for cell in notebook.cells]
    for cell in notebook.cells:
        report = reports.get(question_of(cell) or "")
        if report is not None:
            cell.outputs = check_outputs(report)
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = cell.execution_count
    return notebook


def listed(found: Iterable[MarkChange], most: int = 20) -> Iterator[str]:
    """The changes as lines to print, `most` of them."""
    found = list(found)
    if found:
        yield f"{len(found)} marks of the checks changed:"
        yield from (f"  {change}" for change in found[:most])
        if len(found) > most:
            yield f"  and {len(found) - most} more, in changes.csv"

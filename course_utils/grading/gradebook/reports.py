"""What an instructor reads after grading: grades.csv and results.jsonl."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbgrader.api import Assignment, Gradebook, SubmittedAssignment

from course_utils.checks import render
from course_utils.checks.framework import Report, Rung
from course_utils.files import write_whole
from course_utils.grading.run.executor import CHECK_SUFFIX

GRADES_COLUMNS = ("student", "exercise", "score", "max_score", "late_penalty", "status", "message")


@dataclass(frozen=True)
class QuestionResult:
    """One question of one submission, as a line of results.jsonl.

    `seconds` and `memory` (bytes) are the whole notebook's; `submission`, `checks` and `seed`
    are short hashes of what the mark was made from.
    """

    student: str
    exercise: str
    question: str
    score: float | None
    max: float
    status: str
    message: str
    seconds: float
    memory: int = 0
    sandbox: str = ""
    submission: str = ""
    checks: str = ""
    seed: str = ""


def result_of(student: str, report: Report, seconds: float, **record: Any) -> QuestionResult:
    """A report as a result; `record` is the rest of what is kept with a mark, by field name."""
    unmarked = {Rung.MANUAL.value: "by hand", Rung.PERSON.value: Rung.PERSON.value}
    status = "graded" if report.points is not None else unmarked.get(report.rung, "ungraded")
    message = "; ".join(report.notes) if report.points is None else render.report_text(report)
    return QuestionResult(
        student,
        report.exercise,
        report.question,
        report.points,
        report.max_points,
        status,
        message,
        round(seconds, 2),
        **record,
    )


def write_results(path: Path, new: list[QuestionResult]) -> list[dict]:
    """Put new results into results.jsonl in place of the old ones of the same submissions; returns all.

    The file is replaced as a whole, so a reader never sees half of it.
    """
    renewed = {(result.student, result.exercise) for result in new}
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in map(json.loads, lines) if (line["student"], line["exercise"]) not in renewed]
    rows = kept + [dict(vars(result)) for result in new]
    rows.sort(key=lambda row: (row["exercise"], row["student"], row["question"]))
    write_whole(path, "".join(json.dumps(row) + "\n" for row in rows))
    return rows


def write_grades(path: Path, database: str, results: list[dict]) -> list[dict]:
    """Write grades.csv, one line a submission, from nbgrader's gradebook; returns its rows."""
    rows = grades_rows(database, results)
    text = io.StringIO()
    writer = csv.DictWriter(text, GRADES_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: spreadsheet_text(value) for name, value in row.items()} for row in rows)
    write_whole(path, text.getvalue())
    return rows


def grades_rows(database: str, results: list[dict]) -> list[dict]:
    """One row a submission, as the gradebook has it now: a person may have marked since the grading.

    `status` is "graded", "needs a person" (a hand-marked question waits, or work that could not be
    placed) or "ungraded".
    """
    by_submission: dict[tuple[str, str], list[dict]] = defaultdict(list)
    for row in results:
        by_submission[row["student"], row["exercise"]].append(row)
    with Gradebook(database) as gradebook:
        return [
            _grades_row(assignment, submission, by_submission[submission.student.id, assignment.name])
            for assignment in sorted(gradebook.assignments, key=lambda one: one.name)
            for submission in sorted(assignment.submissions, key=lambda one: one.student.id)
        ]


def _grades_row(assignment: Assignment, submission: SubmittedAssignment, mine: list[dict]) -> dict:
    """The row of a submission; `mine` are its own lines of results.jsonl."""
    grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
    waiting = {grade.name.removesuffix(CHECK_SUFFIX) for grade in grades if grade.needs_manual_grade}
    unmarked = ("ungraded", Rung.PERSON.value)
    missed = [row for row in mine if row["status"] in unmarked and row["question"] in waiting]
    whole = not any(row["status"] == "graded" for row in mine)
    faulty = any(row["status"] == "ungraded" for row in missed)
    status = "ungraded" if faulty else Rung.PERSON.value if waiting else "graded"
    message = "; ".join(
        sorted({row["message"] if whole else f"{row['question']}: {row['message']}" for row in missed})
    )
    return {
        "student": submission.student.id,
        "exercise": assignment.name,
        "score": "" if missed and whole else f"{submission.score:g}",
        "max_score": f"{submission.max_score:g}",
        "late_penalty": f"{submission.late_submission_penalty or 0:g}",
        "status": status,
        "message": message,
    }


def spreadsheet_text(value: object) -> str:
    """A value as text that a spreadsheet will not take for a formula."""
    text = str(value)
    return f"'{text}" if text[:1] in "=+-@\t\r" and text else text


def read_results(path: Path) -> list[dict]:
    """The lines of results.jsonl; none where there is no such file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]

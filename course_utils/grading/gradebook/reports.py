"""What an instructor reads after grading: grades.csv, totals.csv and results.jsonl."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook

from course_utils.checks import render
from course_utils.checks.framework import Report, Rung, load_exercise
from course_utils.files import write_whole
from course_utils.grading.gradebook.changes import CHANGE_COLUMNS, MarkChange
from course_utils.grading.gradebook.final_marks import (
    TOTAL_COLUMNS,
    FinalMark,
    final_mark,
    follow_policy,
    totals,
)
from course_utils.grading.gradebook.marks import SubmittedMarks, read_marks, worth
from course_utils.grading.run.journal import Entry
from course_utils.texts.catalogue import ENGLISH, speaking

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


def results_of(entry: Entry) -> list[QuestionResult]:
    """What came of a submission, a result for each question."""
    by_hand = [
        question.run(None) for question in load_exercise(entry.exercise).questions.values() if question.manual
    ]
    record = {
        "memory": entry.memory,
        "sandbox": entry.sandbox,
        "submission": entry.stamp.submission,
        "checks": entry.stamp.checks,
        "seed": entry.stamp.seed,
    }
    found = [*entry.reports.values(), *by_hand]
    return [result_of(entry.student, report, entry.seconds, **record) for report in found]


def result_of(student: str, report: Report, seconds: float, **record: Any) -> QuestionResult:
    """A report as a result; `record` is the rest of what is kept with a mark, by field name."""
    unmarked = {Rung.MANUAL.value: "by hand", Rung.PERSON.value: Rung.PERSON.value}
    status = "graded" if report.points is not None else unmarked.get(report.rung, "ungraded")
    with speaking(ENGLISH):  # what a learner reads may be in another language; tables and marks are not
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


def write_results(
    path: Path, new: list[QuestionResult], questions: frozenset[str] = frozenset()
) -> list[dict]:
    """Put new results into results.jsonl in place of the old ones of the same submissions; returns all. With
    `questions`, the old ones of other questions stay where there are some.

    The file is replaced as a whole, so a reader never sees half of it.
    """
    renewed = {(result.student, result.exercise) for result in new}
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept, stays = [], set()
    for line in map(json.loads, lines):
        of, question = (line["student"], line["exercise"]), line["question"]
        if of not in renewed or (questions and question not in questions):
            kept.append(line)
            stays.add((*of, question))
    rows = kept + [dict(vars(one)) for one in new if (one.student, one.exercise, one.question) not in stays]
    rows.sort(key=lambda row: (row["exercise"], row["student"], row["question"]))
    write_whole(path, "".join(json.dumps(row) + "\n" for row in rows))
    return rows


def write_grades(out: Path, database: str, results: list[dict]) -> list[dict]:
    """Write grades.csv, one line a submission, and totals.csv, one line a learner, of a class's folder, from
    nbgrader's gradebook and the class's policy; returns the rows of grades.csv.

    The gradebook's due dates and penalties are brought up to the policy first.
    """
    with Gradebook(database) as book:
        policy = follow_policy(out, book)
        marks, possible = read_marks(book), worth(book)
    final = {key: final_mark(one, possible, policy) for key, one in marks.items()}
    rows = grades_rows(marks, final, results)
    write_whole(out / "grades.csv", as_csv(GRADES_COLUMNS, rows))
    in_all = totals(final.values(), policy.drop_lowest)
    write_whole(out / "totals.csv", as_csv(list(in_all[0]) if in_all else TOTAL_COLUMNS, in_all))
    return rows


def write_changes(path: Path, found: Iterable[MarkChange]) -> None:
    """Write changes.csv: what the last grading changed, one line a question."""
    write_whole(path, as_csv(CHANGE_COLUMNS, [change.row() for change in found]))


def as_csv(
    columns: Sequence[str], rows: Iterable[Mapping[str, object]], numbers: Collection[str] = ()
) -> str:
    """A table in which no cell is a formula to a spreadsheet; those of `numbers` are written as they are."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {name: value if name in numbers else spreadsheet_text(value) for name, value in row.items()}
        )
    return text.getvalue()


def grades_rows(
    marks: Mapping[tuple[str, str], SubmittedMarks],
    final: Mapping[tuple[str, str], FinalMark],
    results: Iterable[Mapping[str, Any]],
) -> list[dict]:
    """One row a submission, as the gradebook has it now: a person may have marked since the grading.

    `status` is "graded", "needs a person" (a hand-marked question waits, or work that could not be
    placed) or "ungraded".
    """
    by_submission: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in results:
        by_submission[row["student"], row["exercise"]].append(row)
    ordered = sorted(marks, key=lambda key: (key[1], key[0]))
    return [_grades_row(marks[key], final[key], by_submission[key]) for key in ordered]


def _grades_row(marks: SubmittedMarks, final: FinalMark, mine: list[Mapping[str, Any]]) -> dict:
    """The row of a submission; `mine` are its own lines of results.jsonl."""
    waiting = marks.waiting - final.void
    unmarked = ("ungraded", Rung.PERSON.value)
    missed = [row for row in mine if row["status"] in unmarked and row["question"] in waiting]
    whole = not any(row["status"] == "graded" for row in mine)
    faulty = any(row["status"] == "ungraded" for row in missed)
    status = "ungraded" if faulty else Rung.PERSON.value if waiting else "graded"
    message = "; ".join(
        sorted({row["message"] if whole else f"{row['question']}: {row['message']}" for row in missed})
    )
    return {
        "student": marks.student,
        "exercise": marks.exercise,
        "score": "" if missed and whole else f"{final.points:g}",
        "max_score": f"{final.max_points:g}",
        "late_penalty": f"{final.late_penalty:g}",
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

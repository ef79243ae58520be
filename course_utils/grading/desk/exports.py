"""``course export DIR --to canvas``: a class's marks as a file that Canvas or Moodle imports.

The marks are read from the gradebook as it is now, late penalties taken off. Only those that
are final are exported: a submission that is ungraded or waits for a person is left out and
named, because an empty cell would be read as "no grade" and a provisional one as final.

The formats, as their documentation describes them:
- Canvas: the columns of its own gradebook export (Student, ID, SIS User ID, SIS Login ID, Section) and one an
  assignment. Its import finds students by ID or SIS Login ID and an assignment by "Name (number)", so the export
  of one's own course is the best template (``--template``).
  https://community.canvaslms.com/t5/Instructor-Guide/How-do-I-import-grades-in-the-Gradebook/ta-p/807
- Moodle: any columns, mapped by hand on import: one that identifies the student (email address, ID number), the
  grade, and feedback; both of these have to be mapped. https://docs.moodle.org/405/en/Grade_import
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from course_utils.grading.gradebook.reports import read_results, spreadsheet_text, write_grades

CANVAS_COLUMNS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
MOODLE_ID = "ID number"


class ExportError(Exception):
    """Marks that cannot be exported; the message says what to do."""


@dataclass(frozen=True)
class Marks:
    """One assignment's final marks: ``scores`` and short ``feedback`` by student; ``left_out`` says why not."""

    assignment: str
    max_score: float
    scores: dict[str, float]
    feedback: dict[str, str]
    left_out: dict[str, str]


def read_marks(folder: Path, assignment: str | None) -> Marks:
    """The final marks of one assignment of a class; the only one there is if none is named."""
    if not (folder / "gradebook.db").is_file():
        raise ExportError(f"there is no gradebook in {folder}; run `course grade … --out {folder}` first")
    results = read_results(folder / "results.jsonl")
    database = f"sqlite:///{(folder / 'gradebook.db').resolve()}"
    rows = write_grades(folder / "grades.csv", database, results)
    names = sorted({row["assignment"] for row in rows})
    if assignment is None and len(names) != 1:
        raise ExportError(f"say which one with --assignment: {', '.join(names) or 'nothing is graded yet'}")
    if assignment is not None and assignment not in names:
        raise ExportError(f"nothing is graded of {assignment!r}; there are {', '.join(names)}")
    chosen = [row for row in rows if row["assignment"] == (assignment or names[0])]
    final = {row["student"]: row for row in chosen if row["status"] == "graded"}
    return Marks(
        chosen[0]["assignment"],
        float(chosen[0]["max_score"]),
        {student: _after_penalty(row) for student, row in final.items()},
        {student: _feedback(student, row, results) for student, row in final.items()},
        {row["student"]: row["message"] or row["status"] for row in chosen if row["student"] not in final},
    )


def _after_penalty(row: dict) -> float:
    """The score less the late penalty, as nbgrader's own exporter has it."""
    return max(0.0, float(row["score"]) - float(row["late_penalty"]))


def _feedback(student: str, row: dict, results: list[dict]) -> str:
    mine = [one for one in results if (one["student"], one["assignment"]) == (student, row["assignment"])]
    parts = [
        f"{one['question']} {one['score']:g} of {one['max']:g}" for one in mine if one["score"] is not None
    ]
    if float(row["late_penalty"]):
        parts.append(f"late: -{float(row['late_penalty']):g}")
    return ", ".join(parts)


def canvas(marks: Marks, template: Path | None = None) -> tuple[str, list[str]]:
    """The marks as a CSV for Canvas, and the students that were not found in the template."""
    if template is None:
        rows = [dict(zip(CANVAS_COLUMNS, (student, "", "", student, ""))) for student in marks.scores]
        return _canvas_csv(CANVAS_COLUMNS, marks.assignment, rows, marks, "SIS Login ID"), []
    with open(template, newline="", encoding="utf-8-sig") as file:
        read = csv.DictReader(file)
        columns, rows = list(read.fieldnames or ()), list(read)
    kept = [name for name in CANVAS_COLUMNS if name in columns]
    column = _canvas_column(columns, marks.assignment)
    key = _canvas_key(rows, kept, marks)
    known = {(row.get(key) or "").strip() for row in rows}
    wanted = [row for row in rows if (row.get(key) or "").strip() in marks.scores]
    return _canvas_csv(kept, column, wanted, marks, key), sorted(set(marks.scores) - known)


def _canvas_column(columns: list[str], assignment: str) -> str:
    """The column of an assignment in Canvas's export: its name, perhaps with a number in brackets."""
    found = [name for name in columns if re.fullmatch(re.escape(assignment) + r"( \(\d+\))?", name)]
    if len(found) != 1:
        raise ExportError(
            f"the template has {'no' if not found else 'more than one'} column {assignment!r}; make the assignment in Canvas "
            "under this name, and export its gradebook again"
        )
    return found[0]


def _canvas_key(rows: list[dict], columns: list[str], marks: Marks) -> str:
    """The column by which most students are found."""
    counts = {
        name: sum((row.get(name) or "").strip() in marks.scores for row in rows)
        for name in columns
        if name != "Section"
    }
    best = max(counts, key=counts.__getitem__, default="")
    if not counts.get(best):
        raise ExportError(
            "no student of the class is in the template, by name, ID, SIS User ID or SIS Login ID"
        )
    return best


def _canvas_csv(columns: Sequence[str], column: str, rows: list[dict], marks: Marks, key: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*columns, column])
    writer.writerow(["    Points Possible", *[""] * (len(columns) - 1), f"{marks.max_score:g}"])
    for row in rows:
        values = [spreadsheet_text(row.get(name) or "") for name in columns]
        writer.writerow([*values, f"{marks.scores[(row[key] or '').strip()]:g}"])
    return text.getvalue()


def moodle(marks: Marks, identified_by: str = MOODLE_ID) -> str:
    """The marks as a CSV for Moodle: who, the grade, and a line of feedback."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([identified_by, marks.assignment, f"{marks.assignment} (feedback)"])
    for student, score in marks.scores.items():
        writer.writerow([spreadsheet_text(student), f"{score:g}", marks.feedback[student]])
    return text.getvalue()


def main(argv: list[str] | None = None) -> int:
    """The ``course export`` command."""
    parser = argparse.ArgumentParser(
        prog="course export", description="Marks as a file that Canvas or Moodle imports."
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="what `course grade` wrote into")
    parser.add_argument("--to", choices=("canvas", "moodle"), required=True)
    parser.add_argument("--assignment", metavar="NAME", help="which one, if there are several")
    parser.add_argument(
        "--template", type=Path, metavar="CSV", help="Canvas: the course's own gradebook export"
    )
    parser.add_argument(
        "--id-column",
        default=MOODLE_ID,
        metavar="NAME",
        help=f"Moodle: what the students' names are there ({MOODLE_ID})",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to (standard output)")
    options = parser.parse_args(argv)
    try:
        marks = read_marks(options.folder, options.assignment)
        if options.to == "canvas":
            text, unknown = canvas(marks, options.template)
        else:
            text, unknown = moodle(marks, options.id_column), []
        if options.out:
            options.out.write_text(text, encoding="utf-8")
        else:
            print(text, end="")
    except (ExportError, OSError, UnicodeDecodeError, csv.Error) as error:
        print(f"course export: {error}", file=sys.stderr)
        return 1
    for student in unknown:
        print(f"not in the template: {student}", file=sys.stderr)
    for student, why in marks.left_out.items():
        print(f"left out: {student} ({why})", file=sys.stderr)
    print(
        f"{len(marks.scores) - len(unknown)} marks exported, {len(marks.left_out)} left out", file=sys.stderr
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

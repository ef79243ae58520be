"""Canvas, as its documentation describes the import of a gradebook.

The columns of its own gradebook export (Student, ID, SIS User ID, SIS Login ID, Section) and one an
assignment. The import finds students by ID or SIS Login ID and an assignment by "Name (number)", so the
export of one's own course is the best template.
https://community.canvaslms.com/t5/Instructor-Guide/How-do-I-import-grades-in-the-Gradebook/ta-p/807
"""

from __future__ import annotations

import argparse
import csv
import re
from pathlib import Path

from course_utils.grading.desk.exporters.base import Exported, Exporter, ExportError, Marks, table

COLUMNS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")


class Canvas(Exporter):
    """Marks for Canvas's gradebook."""

    name, title = "canvas", "Canvas"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--template", type=Path, metavar="CSV", help="Canvas: the course's own gradebook export"
        )

    def export(self, marks: Marks, options: argparse.Namespace) -> Exported:
        """The marks in the template's columns, or in Canvas's usual ones if there is no template."""
        if options.template is None:
            rows = [dict(zip(COLUMNS, (student, "", "", student, ""))) for student in marks.scores]
            return Exported(_file(list(COLUMNS), marks.exercise, rows, marks, "SIS Login ID"))
        with open(options.template, newline="", encoding="utf-8-sig") as file:
            read = csv.DictReader(file)
            columns, rows = list(read.fieldnames or ()), list(read)
        kept = [name for name in COLUMNS if name in columns]
        column = _column(columns, marks.exercise)
        key = _key(rows, kept, marks)
        known = {(row.get(key) or "").strip() for row in rows}
        wanted = [row for row in rows if (row.get(key) or "").strip() in marks.scores]
        return Exported(_file(kept, column, wanted, marks, key), tuple(sorted(set(marks.scores) - known)))


def _column(columns: list[str], exercise: str) -> str:
    """The column of an assignment in Canvas's export: its name, perhaps with a number in brackets."""
    found = [name for name in columns if re.fullmatch(re.escape(exercise) + r"( \(\d+\))?", name)]
    if len(found) != 1:
        raise ExportError(
            f"the template has {'no' if not found else 'more than one'} column {exercise!r}; make the "
            "assignment in Canvas under this name, and export its gradebook again"
        )
    return found[0]


def _key(rows: list[dict], columns: list[str], marks: Marks) -> str:
    """The column by which most students are found."""
    counts = {
        name: sum((row.get(name) or "").strip() in marks.scores for row in rows)
        for name in columns
        if name != "Section"
    }
    best = max(counts, key=lambda name: counts[name], default="")
    if not counts.get(best):
        raise ExportError(
            "no student of the class is in the template, by name, ID, SIS User ID or SIS Login ID"
        )
    return best


def _file(columns: list[str], column: str, rows: list[dict], marks: Marks, key: str) -> str:
    head = [*columns, column]
    possible = ["    Points Possible", *[""] * (len(columns) - 1), f"{marks.max_score:g}"]
    scores = (f"{marks.scores[(row[key] or '').strip()]:g}" for row in rows)
    students = [[*(row.get(name) or "" for name in columns), score] for row, score in zip(rows, scores)]
    return table([head, possible, *students])


EXPORTER = Canvas()

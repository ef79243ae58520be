"""Canvas, as its documentation describes the import of a gradebook.

The columns of its own gradebook export and one an assignment. The import finds students by ID or SIS Login ID
and an assignment by "Name (number)", so the export of one's own course is the best template.
https://community.canvaslms.com/t5/Instructor-Guide/How-do-I-import-grades-in-the-Gradebook/ta-p/807

What an export can look like says `csv_data` in lib/gradebook_exporter.rb of the repository
instructure/canvas-lms: names in one column or two, more columns where the account has them, semicolons and
decimal commas where the user chose so, and EX or N/A instead of a score.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from course_utils.grading.desk.exporters.base import Exported, Exporter, ExportError, Marks, table

COLUMNS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
#: All that may stand before the assignments, as Canvas orders them.
OF_A_STUDENT = (
    "Student", "LastName", "FirstName", "ID", "SIS User ID", "SIS Login ID", "Integration ID", "Root Account",
    "Section",
)  # fmt: skip
NO_KEY = {"Section", "Root Account", "LastName", "FirstName"}
EXCUSED = "EX"


@dataclass(frozen=True)
class Template:
    """A gradebook's export: its columns and rows, and how it writes numbers."""

    columns: list[str]
    rows: list[dict[str, str]]
    separator: str
    decimal_comma: bool

    def number(self, value: float) -> str:
        """A number as the export writes it."""
        return f"{value:g}".replace(".", ",") if self.decimal_comma else f"{value:g}"


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
            plain = Template([*COLUMNS, marks.exercise], rows, ",", False)
            return Exported(_file(plain, marks.exercise, rows, marks, "SIS Login ID"))
        template = _read(options.template)
        column = _column(template.columns, marks.exercise)
        key = _key(template, marks)
        by_student = {row[key].strip(): row for row in template.rows if row[key].strip() in marks.scores}
        excused = {student for student, row in by_student.items() if row[column].strip().upper() == EXCUSED}
        wanted = [row for student, row in by_student.items() if student not in excused]
        unknown = sorted(set(marks.scores) - set(by_student))
        return Exported(_file(template, column, wanted, marks, key), tuple(unknown), tuple(sorted(excused)))


def _read(path: Path) -> Template:
    """A gradebook's export. Raises `ExportError` where it is none."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ExportError(
            f"{path} is not in UTF-8: a spreadsheet may have written it. Give the file as Canvas exported it"
        ) from None
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    read = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, restval="")
    columns = list(read.fieldnames or ())
    if "ID" not in columns:
        raise ExportError(f"{path} has no column ID: it is no gradebook that Canvas exported")
    rows = [{name: row[name] or "" for name in columns} for row in read]
    comma = separator != "," and any(re.fullmatch(r"\d+,\d+", cell) for row in rows for cell in row.values())
    return Template(columns, rows, separator, comma)


def _column(columns: list[str], exercise: str) -> str:
    """The column of an assignment in Canvas's export: its name, perhaps with a number in brackets."""
    found = [name for name in columns if re.fullmatch(re.escape(exercise) + r"( \(\d+\))?", name)]
    if len(found) != 1:
        raise ExportError(
            f"the template has {'no' if not found else 'more than one'} column {exercise!r}; make the "
            "assignment in Canvas under this name, and export its gradebook again"
        )
    return found[0]


def _key(template: Template, marks: Marks) -> str:
    """The column by which most students are found. Raises `ExportError` where none does or two are one."""
    names = [name for name in OF_A_STUDENT if name in template.columns and name not in NO_KEY]
    cells = {name: [row[name].strip() for row in template.rows] for name in names}
    best = max(names, key=lambda name: sum(cell in marks.scores for cell in cells[name]))
    found = [cell for cell in cells[best] if cell in marks.scores]
    if not found:
        raise ExportError(
            "no student of the class is in the template, by name, ID, SIS User ID or SIS Login ID"
        )
    if twice := sorted({cell for cell in found if found.count(cell) > 1}):
        raise ExportError(
            f"the template has {', '.join(twice)} more than once under {best!r}: nobody can tell whose the "
            "mark is"
        )
    return best


def _file(template: Template, column: str, rows: list[dict[str, str]], marks: Marks, key: str) -> str:
    kept = [name for name in OF_A_STUDENT if name in template.columns]
    possible = ["    Points Possible", *[""] * (len(kept) - 1), template.number(marks.max_score)]
    students = [
        [*(row[name] for name in kept), template.number(marks.scores[row[key].strip()])] for row in rows
    ]
    return table([[*kept, column], possible, *students], template.separator)


EXPORTER = Canvas()

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
from dataclasses import replace

from course_utils.grading.desk.exporters.base import Exported, Exporter, ExportError, Marks, table
from course_utils.grading.desk.exporters.sheet import column_of, fill, learners, read_sheet

COLUMNS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
#: All that may stand before the assignments, as Canvas orders them.
OF_A_STUDENT = (
    "Student", "LastName", "FirstName", "ID", "SIS User ID", "SIS Login ID", "Integration ID", "Root Account",
    "Section",
)  # fmt: skip
NO_KEY = {"Section", "Root Account", "LastName", "FirstName"}


class Canvas(Exporter):
    """Marks for Canvas's gradebook."""

    name, title = "canvas", "Canvas"

    def export(self, marks: Marks, options: argparse.Namespace) -> Exported:
        """The marks in the template's columns, or in Canvas's usual ones if there is no template."""
        if options.template is None:
            possible = ["    Points Possible", "", "", "", "", f"{marks.max_score:g}"]
            rows = [[student, "", "", student, "", f"{score:g}"] for student, score in marks.scores.items()]
            return Exported(table([[*COLUMNS, options.column or marks.exercise], possible, *rows]))
        return _filled(marks, options)


def _filled(marks: Marks, options: argparse.Namespace) -> Exported:
    sheet = replace(read_sheet(options.template), marked=False)
    if "ID" not in sheet.columns:
        raise ExportError(f"{options.template} has no column ID: it is no gradebook that Canvas exported")
    column = column_of(sheet, marks.exercise, options.column)
    kept = [sheet.columns.index(name) for name in OF_A_STUDENT if name in sheet.columns]
    keys = [one for one in kept if sheet.columns[one] not in NO_KEY]
    found = learners(sheet, marks, options.id_column, keys)
    excused = fill(sheet, column, found, marks)
    wanted = sheet.only([*kept, column], [row for who, row in found.rows.items() if who not in excused])
    possible = ["    Points Possible", *[""] * (len(kept) - 1), sheet.number(marks.max_score)]
    wanted.rows.insert(0, possible)
    return Exported(wanted.text(), found.unknown, dict(sorted(excused.items())))


EXPORTER = Canvas()

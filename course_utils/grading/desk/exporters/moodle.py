"""Moodle: its import of grades, and the worksheets that it exports itself.

Without a template: any columns, mapped by hand on import: one that identifies the student (email address, ID
number), the grade, and feedback; both of these have to be mapped. https://docs.moodle.org/405/en/Grade_import

With one: the assignment's offline grading worksheet, or the export of the whole gradebook. What is read of a
worksheet says mod/assign/feedback/offline/importgradeslib.php of the repository moodle/moodle: the record
("Participant 123"), the grade, when it was changed last and the comments, found by names in the site's
language, and commas between them. Of the gradebook, "Assignment: <name> (Real)" and "(Feedback)" are filled.
"""

from __future__ import annotations

import argparse
import re

from course_utils.grading.desk.exporters.base import Exported, Exporter, ExportError, Marks, table
from course_utils.grading.desk.exporters.sheet import Sheet, column_called, column_of, learners, read_sheet

ID_COLUMN = "ID number"


class Moodle(Exporter):
    """Marks for Moodle: who, the grade, and a line of feedback."""

    name, title = "moodle", "Moodle"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--feedback-column", metavar="NAME", help="Moodle: the template's column for feedback"
        )

    def export(self, marks: Marks, options: argparse.Namespace) -> Exported:
        """The marks in a worksheet of Moodle's, or in three columns to be mapped."""
        if options.template is not None:
            return _filled(marks, options)
        column = options.column or marks.exercise
        head = [options.id_column or ID_COLUMN, column, f"{column} (feedback)"]
        rows = [[student, f"{score:g}", marks.feedback[student]] for student, score in marks.scores.items()]
        return Exported(table([head, *rows]))


def _filled(marks: Marks, options: argparse.Namespace) -> Exported:
    sheet = read_sheet(options.template)
    grade = _grade_column(sheet, marks, options)
    feedback = _feedback_column(sheet, grade, options)
    locked, most = column_called(sheet, "Grade can be changed"), column_called(sheet, "Maximum Grade")
    found = learners(sheet, marks, options.id_column, also=_participant)
    kept, other = {}, set()
    for who, row in found.rows.items():
        cells = sheet.rows[row]
        if locked is not None and cells[locked].strip() == "No":
            kept[who] = "its grade cannot be changed there"
            continue
        cells[grade] = sheet.number(marks.scores[who])
        if feedback is not None:
            cells[feedback] = marks.feedback[who]
        if most is not None and _number(cells[most]) != marks.max_score:
            other.add(cells[most].strip())
    written = [row for who, row in found.rows.items() if who not in kept]
    notes = [f"the maximum there is {', '.join(sorted(other))}, here {marks.max_score:g}: set it there first"]
    return Exported(
        sheet.only(range(len(sheet.columns)), sorted(written)).text(),
        found.unknown,
        kept,
        tuple(notes if other else ()),
    )


def _grade_column(sheet: Sheet, marks: Marks, options: argparse.Namespace) -> int:
    """A worksheet's one "Grade", or an exercise's column of the gradebook."""
    worksheet = None if options.column else column_called(sheet, "Grade")
    return column_of(sheet, marks.exercise, options.column) if worksheet is None else worksheet


def _feedback_column(sheet: Sheet, grade: int, options: argparse.Namespace) -> int | None:
    beside = re.sub(r" \([^()]*\)\Z", "", sheet.columns[grade]) + " (Feedback)"
    named = options.feedback_column
    found = column_called(sheet, *([named] if named else ["Feedback comments", beside]))
    if named and found is None:
        raise ExportError(f"the template has no one column {named!r} for feedback")
    return None if found == grade else found


def _participant(cell: str) -> str:
    """The number of "Participant 123", in any language: the one that the names of a download have."""
    match = re.fullmatch(r"\D+ ?(\d+)", cell)
    return match[1] if match else cell


def _number(cell: str) -> float | None:
    try:
        return float(cell.strip().replace(",", "."))
    except ValueError:
        return None


EXPORTER = Moodle()

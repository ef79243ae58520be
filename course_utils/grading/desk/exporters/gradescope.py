"""Gradescope, in the form of its own "Download Grades".

Gradescope takes no marks from a file, and has no public interface for them: they go from it to a learning
platform by LTI
(https://guides.gradescope.com/hc/en-us/articles/21746234461197-LTI-1-3-and-Advantage-FAQ), and what a program
marks is entered by an autograder of a programming assignment. So this file is for what reads its downloads (a
table of the term, a script that carries marks to a platform), or to enter marks by.

The columns of an assignment's download: Name or First Name and Last Name, SID, Email, Sections, Total Score,
Max Points, Status, then the submission's; of a course's: one an assignment, and "<name> - Max Points" beside
it. No page of Gradescope's that we could read lists them; the repositories that read such files do, such as
gradescope-mean (its tests have both).
"""

from __future__ import annotations

import argparse

from course_utils.grading.desk.exporters.base import Exported, Exporter, Marks, table
from course_utils.grading.desk.exporters.sheet import (
    Sheet,
    column_called,
    column_of,
    fill,
    learners,
    read_sheet,
)

OF_A_STUDENT = ("Name", "First Name", "Last Name", "SID", "Email", "Sections", "section_name")
KEYS = ("SID", "Email")


class Gradescope(Exporter):
    """Marks in the form of Gradescope's downloads."""

    name, title = "gradescope", "Gradescope"

    def export(self, marks: Marks, options: argparse.Namespace) -> Exported:
        """The marks in the template's columns, or in those of an assignment's download."""
        if options.template is not None:
            return _filled(marks, options)
        head = ["Name", "SID", "Email", "Total Score", "Max Points", "Status"]
        rows = [
            [who, who, who if "@" in who else "", f"{score:g}", f"{marks.max_score:g}", "Graded"]
            for who, score in marks.scores.items()
        ]
        return Exported(table([head, *rows]), notes=(NOTE,))


NOTE = "Gradescope imports no marks: this is for what reads its downloads"


def _filled(marks: Marks, options: argparse.Namespace) -> Exported:
    sheet = read_sheet(options.template)
    total = None if options.column else column_called(sheet, "Total Score")
    score = column_of(sheet, marks.exercise, options.column) if total is None else total
    most = column_called(sheet, "Max Points" if total is not None else f"{sheet.columns[score]} - Max Points")
    status = column_called(sheet, "Status") if total is not None else None
    keys = [one for name in KEYS if (one := column_called(sheet, name)) is not None]
    found = learners(sheet, marks, options.id_column, keys or None)
    excused = fill(sheet, score, found, marks)
    written = sorted(row for who, row in found.rows.items() if who not in excused)
    for row in written:
        cells = sheet.rows[row]
        if most is not None:
            cells[most] = sheet.number(marks.max_score)
        if status is not None:
            cells[status] = "Graded"
    return Exported(
        sheet.only(_columns(sheet, found.column, (score, most, status)), written).text(),
        found.unknown,
        dict(sorted(excused.items())),
        (NOTE,),
    )


def _columns(sheet: Sheet, key: int, marks: tuple[int | None, ...]) -> list[int]:
    """Who, and the marks: the questions' own columns would say something else than the total."""
    wanted = {*marks, key} | {column_called(sheet, name) for name in OF_A_STUDENT}
    return [number for number in range(len(sheet.columns)) if number in wanted]


EXPORTER = Gradescope()

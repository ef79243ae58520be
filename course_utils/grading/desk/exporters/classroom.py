"""Google Classroom, in the form of its own table of grades.

Classroom takes no marks from a file. A teacher types them beside the work, or a program sets `draftGrade` and
`assignedGrade` of each submission, which only the project may that made the assignment:
https://developers.google.com/workspace/classroom/reference/rest/v1/courses.courseWork.studentSubmissions/patch
So this file is to type from, in the order of the table downloaded there, or for such a program, which knows
learners by their email addresses. Marks that Classroom says are excused stay.
https://developers.google.com/classroom/guides/key-concepts/grades

In the template, learners stand by rows (Last Name, First Name, Email Address) and assignments by columns;
rows with dates and points of the assignments stay as they are.
"""

from __future__ import annotations

import argparse

from course_utils.grading.desk.exporters.base import Exported, Exporter, Marks, table
from course_utils.grading.desk.exporters.sheet import column_called, column_of, fill, learners, read_sheet

NOTE = "Classroom imports no marks: type them from this, or let a program set them by email address"


class Classroom(Exporter):
    """Marks in the form of Classroom's table."""

    name, title = "classroom", "Google Classroom"

    def export(self, marks: Marks, options: argparse.Namespace) -> Exported:
        """The marks in the template's column for the assignment, or beside the learners' names."""
        if options.template is None:
            head = [options.id_column or "Email Address", options.column or marks.exercise]
            rows = [[who, f"{score:g}"] for who, score in marks.scores.items()]
            return Exported(table([head, ["Points", f"{marks.max_score:g}"], *rows]), notes=(NOTE,))
        sheet = read_sheet(options.template)
        column = column_of(sheet, marks.exercise, options.column)
        email = column_called(sheet, "Email Address", "Email")
        found = learners(sheet, marks, options.id_column, None if email is None else [email])
        kept = fill(sheet, column, found, marks)
        return Exported(sheet.text(), found.unknown, kept, (NOTE,))


EXPORTER = Classroom()

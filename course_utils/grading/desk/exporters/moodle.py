"""Moodle, as its documentation describes the import of grades.

Any columns, mapped by hand on import: one that identifies the student (email address, ID number), the grade,
and feedback; both of these have to be mapped. https://docs.moodle.org/405/en/Grade_import
"""

from __future__ import annotations

import argparse

from course_utils.grading.desk.exporters.base import Exported, Exporter, Marks, table

ID_COLUMN = "ID number"


class Moodle(Exporter):
    """Marks for Moodle: who, the grade, and a line of feedback."""

    name, title = "moodle", "Moodle"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--id-column",
            default=ID_COLUMN,
            metavar="NAME",
            help=f"Moodle: what the students' names are there ({ID_COLUMN})",
        )

    def export(self, marks: Marks, options: argparse.Namespace) -> Exported:
        head = [options.id_column, marks.exercise, f"{marks.exercise} (feedback)"]
        rows = [[student, f"{score:g}", marks.feedback[student]] for student, score in marks.scores.items()]
        return Exported(table([head, *rows]))


EXPORTER = Moodle()

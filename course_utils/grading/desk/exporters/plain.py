"""A table for a spreadsheet or any other platform: RFC 4180 (https://www.rfc-editor.org/rfc/rfc4180), or with
semicolons or tabs where a spreadsheet's language has decimal commas. A template of any kind is filled in: its
column for the marks, or a new one at its end.
"""

from __future__ import annotations

import argparse

from course_utils.grading.desk.exporters.base import Exported, Exporter, Marks
from course_utils.grading.desk.exporters.sheet import Sheet, column_of, fill, learners, read_sheet

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}


class PlainTable(Exporter):
    """Marks as a plain table."""

    name, title = "plain", "any spreadsheet (CSV)"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--separator",
            choices=tuple(SEPARATORS),
            default="comma",
            help="plain: what stands between cells without a template; a semicolon brings decimal commas and "
            "the mark by which Excel knows UTF-8",
        )

    def export(self, marks: Marks, options: argparse.Namespace) -> Exported:
        """The marks in the template's column for them, or with points, share and a line of feedback."""
        if options.template is not None:
            return _filled(marks, options)
        local = options.separator == "semicolon"
        head = [
            options.id_column or "student",
            options.column or "points",
            "max_points",
            "percent",
            "feedback",
        ]
        sheet = Sheet(head, [], SEPARATORS[options.separator], local, local)
        for who, score in marks.scores.items():
            share = sheet.number(round(100 * score / marks.max_score, 1)) if marks.max_score else ""
            points = [sheet.number(score), sheet.number(marks.max_score)]
            sheet.rows.append([who, *points, share, marks.feedback[who]])
        return Exported(sheet.text())


def _filled(marks: Marks, options: argparse.Namespace) -> Exported:
    sheet = read_sheet(options.template)
    found = learners(sheet, marks, options.id_column)
    wanted = options.column or marks.exercise
    if any(wanted.casefold() in name.casefold() for name in sheet.columns):
        column = column_of(sheet, marks.exercise, options.column)
    else:
        column = len(sheet.columns)
        sheet.columns.append(wanted)
        for cells in sheet.rows:
            cells.append("")
    kept = fill(sheet, column, found, marks)
    return Exported(sheet.text(), found.unknown, kept)


EXPORTER = PlainTable()

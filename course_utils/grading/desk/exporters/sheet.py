"""A platform's own table, read as it wrote it and given back with the marks in it.

What differs between platforms, languages and spreadsheets is found in the file: its byte order mark, what
stands between cells, decimal commas, which column names the learners and which holds the marks. Where two
readings are possible, it is refused with what to say.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from course_utils.grading.desk.exporters.base import ExportError, Marks, table

_MARKS_OF_BYTES = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
#: Said by a platform in place of a mark: a person decided that there is to be none.
EXCUSED = {"ex", "excused"}


@dataclass(frozen=True)
class Sheet:
    """A table: its columns, its rows (as many cells each), and how it writes text and numbers."""

    columns: list[str]
    rows: list[list[str]]
    separator: str = ","
    decimal_comma: bool = False
    marked: bool = False

    def number(self, value: float) -> str:
        """A number as the table writes it."""
        return f"{value:g}".replace(".", ",") if self.decimal_comma else f"{value:g}"

    def cells(self, column: int) -> list[str]:
        """A column's cells, without what stands around them."""
        return [row[column].strip() for row in self.rows]

    def text(self) -> str:
        """The table as the file it came from."""
        return ("\ufeff" if self.marked else "") + table([self.columns, *self.rows], self.separator)

    def only(self, columns: Sequence[int], rows: Sequence[int]) -> Sheet:
        """Some columns and rows of it."""
        cut = [[self.rows[row][column] for column in columns] for row in rows]
        return replace(self, columns=[self.columns[column] for column in columns], rows=cut)


def read_sheet(path: Path) -> Sheet:
    """A table with one line of columns. Raises `ExportError` where it is not in UTF-8 or UTF-16, or empty."""
    data = path.read_bytes()
    coding = next((name for mark, name in _MARKS_OF_BYTES.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(coding)
    except UnicodeDecodeError:
        raise ExportError(
            f"{path} is not in UTF-8: a spreadsheet may have written it. Give the file as the platform "
            "exported it, or save it as CSV UTF-8"
        ) from None
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    columns, *rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator)) or [[]]
    if not any(columns):
        raise ExportError(f"{path} is empty")
    rows = [row[: len(columns)] + [""] * (len(columns) - len(row)) for row in rows if any(row)]
    cells = [cell.strip() for row in rows for cell in row]
    commas = any(re.fullmatch(r"\d+,\d+", cell) for cell in cells)
    points = any(re.fullmatch(r"\d+\.\d+", cell) for cell in cells)
    names = [name.strip() for name in columns]
    return Sheet(names, rows, separator, commas and not points, coding != "utf-8")


def column_of(sheet: Sheet, exercise: str, named: str | None = None) -> int:
    """The column of an exercise's marks: what `--column` says, or what is called as the exercise, perhaps
    with a word or number in brackets behind it and a word with a colon before it, as platforms add them.
    """
    wanted = named or exercise
    found = _called(sheet, re.escape(wanted)) or _called(
        sheet, r"([^:]+: ?)?" + re.escape(wanted) + r"( \([^()]*\))?"
    )
    if len(found) > 1:  # a gradebook has points, percentages, letters and feedback side by side
        marks = [one for one in found if re.search(r"\((real|\d+)\)\Z", sheet.columns[one], re.IGNORECASE)]
        found = marks if len(marks) == 1 else found
    if len(found) != 1:
        there = ", ".join(repr(sheet.columns[one]) for one in found) if found else _most(sheet.columns)
        raise ExportError(
            f"the template has {'more than one' if found else 'no'} column {wanted!r} ({there}); make the "
            "assignment there under this name and export again, or say --column"
        )
    return found[0]


def column_called(sheet: Sheet, *names: str) -> int | None:
    """The one column with one of these names, in any case of letters; None where there is none."""
    found = _called(sheet, "|".join(map(re.escape, names)))
    return found[0] if len(found) == 1 else None


def _called(sheet: Sheet, pattern: str) -> list[int]:
    return [number for number, name in enumerate(sheet.columns) if re.fullmatch(pattern, name, re.IGNORECASE)]


def _most(columns: Sequence[str], most: int = 12) -> str:
    return "it has " + ", ".join(map(repr, columns[:most])) + (" and more" if len(columns) > most else "")


@dataclass(frozen=True)
class Learners:
    """Whose each row is: `rows` by the class's name for them, found in the column number `column`; `unknown`
    are those who have marks, and no row.
    """

    column: int
    rows: Mapping[str, int]
    unknown: tuple[str, ...]


def learners(
    sheet: Sheet,
    marks: Marks,
    named: str | None = None,
    among: Sequence[int] | None = None,
    also: Callable[[str], str] = str,
) -> Learners:
    """Find the class's learners by the column that `named` (`--id-column`) says, or else by the one of
    `among` (all) in which most of them are; a cell is a class's name, its id in the roster, or what `also`
    makes of it.

    Raises `ExportError` where no column has any, or where two rows are one learner's.
    """
    columns = range(len(sheet.columns)) if among is None else among
    if named is not None:
        columns = _called(sheet, re.escape(named))
        if len(columns) != 1:
            raise ExportError(f"the template has no one column {named!r}; {_most(sheet.columns)}")
    known = _names(marks)
    found = {
        column: [
            known.get(cell) or known.get(cell.casefold()) or known.get(also(cell))
            for cell in sheet.cells(column)
        ]
        for column in columns
    }
    best = max(columns, key=lambda column: len({one for one in found[column] if one in marks.scores}))
    theirs = [one for one in found[best] if one in marks.scores]
    if not theirs:
        where = ", ".join(sheet.columns[column] for column in columns)
        raise ExportError(
            f"no student of the class is in the template, by {where}; `--roster` (id,student) says who is who"
        )
    if twice := sorted({one for one in theirs if theirs.count(one) > 1}):
        raise ExportError(
            f"the template has {', '.join(twice)} more than once under {sheet.columns[best]!r}: nobody can "
            "tell whose the mark is; say --id-column"
        )
    rows = {one: row for row, one in enumerate(found[best]) if one in marks.scores}
    return Learners(best, rows, tuple(sorted(set(marks.scores) - set(rows))))


def fill(sheet: Sheet, column: int, found: Learners, marks: Marks) -> dict[str, str]:
    """Write the marks into a column; returns whose entry there stays, and why: who is excused."""
    kept = {}
    for who, row in found.rows.items():
        if sheet.rows[row][column].strip().casefold() in EXCUSED:
            kept[who] = "excused there"
        else:
            sheet.rows[row][column] = sheet.number(marks.scores[who])
    return kept


def _names(marks: Marks) -> dict[str, str]:
    """Each name that a platform may have for a learner -> the class's own name. Small letters do for capital
    ones (an email address), where they are nobody else's.
    """
    known = {**marks.roster, **{student: student for student in marks.scores}}
    small = Counter(name.casefold() for name in known)
    loose = {name.casefold(): who for name, who in known.items() if small[name.casefold()] == 1}
    return loose | known

"""What an exporter is given, and what it has to give."""

from __future__ import annotations

import argparse
import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from course_utils.grading.gradebook.reports import spreadsheet_text


class ExportError(Exception):
    """Marks that cannot be exported; the message says what to do."""


@dataclass(frozen=True)
class Marks:
    """One exercise's final marks: `scores` and short `feedback` by student; `left_out` says why not.

    `exercise` is its name, which a platform's gradebook has as an assignment's; `roster` the class's name for
    each id that a platform knows its learners by.
    """

    exercise: str
    max_score: float
    scores: dict[str, float]
    feedback: dict[str, str]
    left_out: dict[str, str]
    roster: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Exported:
    """The text of the file, the students for whom the platform has no place, those whose entry there is left
    as it is, with the reason, and what whoever imports it should know.
    """

    text: str
    unknown: tuple[str, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Exporter(ABC):
    """Writes marks in the form that one platform imports."""

    name: str
    title: str

    def add_options(self, parser: argparse.ArgumentParser) -> None:  # noqa: B027  (most need none)
        """Add what only this platform asks for to `course export`; begin their
        help with the platform's title.
        """

    @abstractmethod
    def export(self, marks: Marks, options: argparse.Namespace) -> Exported:
        """The marks as that platform reads them; raises `ExportError`."""


def table(rows: Iterable[Iterable[object]], separator: str = ",") -> str:
    """Rows as CSV, in which no cell is a formula to a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    writer.writerows([cell if cell == "-" else spreadsheet_text(cell) for cell in row] for row in rows)
    return text.getvalue()

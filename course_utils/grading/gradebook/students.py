"""The learners of a class by name, and what the draws of each hang on, which a new name does not change.

A learner's data are drawn from the class's secret and a name. `students.csv` holds that name for whoever is
called otherwise by now, or for everybody, where a teacher puts the numbers of an LMS there to begin with.
Whoever is not in it draws as what they are called.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from course_utils.files import write_whole
from course_utils.grading.gradebook.lists import read_list
from course_utils.grading.gradebook.reports import as_csv

STUDENTS_FILE = "students.csv"
STUDENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,99}\Z")
COLUMNS = ("student", "draws_as")


def read_draws_as(out: Path) -> dict[str, str]:
    """student -> what their draws hang on, for those whose name it is not; raises `ValueError` where the
    class's file cannot be followed.
    """
    path = out / STUDENTS_FILE
    if not path.exists():
        return {}
    found: dict[str, str] = {}
    for line, row in read_list(path, *COLUMNS):
        student, drawn = (row[name] for name in COLUMNS)
        if not student or not drawn:
            raise ValueError(f"{path}, line {line}: a line without {COLUMNS[bool(student)]}")
        if student in found:
            raise ValueError(f"{path} names {student} twice")
        found[student] = drawn
    return found


def draws_as(out: Path, student: str) -> str:
    """What a student's draws hang on."""
    return read_draws_as(out).get(student, student)


def renamed(names: Mapping[str, str], old: str, new: str, drawn: str) -> dict[str, str]:
    """The same names after `old`, who draws as `drawn`, is called `new`; the same if it is so already.

    Whoever is called `old` one day is somebody else, and has draws of their own.
    """
    after = dict(names) | {new: drawn}
    if after.get(old, old) == drawn:
        after.pop(old, None)
    if old not in after and old in after.values():
        after[old] = next(
            free for k in range(2, len(after) + 3) if (free := f"{old}#{k}") not in after.values()
        )
    return after


def write_draws_as(out: Path, names: Mapping[str, str]) -> None:
    """Write the class's file; none where everybody draws as what they are called."""
    rows = [dict(zip(COLUMNS, each, strict=True)) for each in sorted(names.items()) if each[0] != each[1]]
    if rows:
        write_whole(out / STUDENTS_FILE, as_csv(COLUMNS, rows))
    else:
        (out / STUDENTS_FILE).unlink(missing_ok=True)

"""One learner of a class called otherwise, or taken out of it, wherever the class's folder names them.

Each step finds what is still to do, so after a kill the same call goes on.
"""

from __future__ import annotations

import copy
import csv
import json
import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry, Student, SubmittedAssignment
from sqlalchemy import update

from course_utils.files import write_whole
from course_utils.grading.gradebook import policy, reports
from course_utils.grading.gradebook.attempts import ATTEMPT_COLUMNS
from course_utils.grading.gradebook.changes import CHANGE_COLUMNS
from course_utils.grading.gradebook.place import GRADEBOOK, database
from course_utils.grading.gradebook.students import (
    STUDENT,
    draws_as,
    read_draws_as,
    renamed,
    write_draws_as,
)
from course_utils.grading.run.journal import Journal

#: Folders of a class that are not by student.
OF_NOBODY = {"source", "release", "report", "journal"}
_UNDER_WAY = ".renaming"


class RenameError(Exception):
    """A learner cannot be renamed or removed; the message says what to do."""


def rename(out: Path, old: str, new: str, submitted: Path | None = None) -> None:
    """Call a learner otherwise in a class's folder and in what was handed in; marks and draws stay.

    Raises `RenameError`, before anything is changed, where nobody is called `old` or somebody `new`.
    """
    _said_before(out, old, new)
    if not (out / _UNDER_WAY).exists():
        _can_be_renamed(out, old, new, submitted)
        write_whole(out / _UNDER_WAY, json.dumps([old, new, draws_as(out, old)]))
    drawn = json.loads((out / _UNDER_WAY).read_text(encoding="utf-8"))[2]
    write_draws_as(out, renamed(read_draws_as(out), old, new, drawn))
    for folder in _folders(out, old, submitted):
        _move(folder, folder.with_name(new))
    Journal(out / "journal").rename(old, new)
    _in_gradebook(out, old, new)
    _in_tables(out, old, new)
    (out / _UNDER_WAY).unlink()


def remove(out: Path, student: str, submitted: Path | None = None) -> None:
    """Take a learner out of a class's folder and of what was handed in: work, marks, pages, extensions."""
    if (out / _UNDER_WAY).exists():
        _said_before(out, student, student)
    _policy_with(out, student, None)
    _in_gradebook(out, student, None)
    for folder in _folders(out, student, submitted):
        shutil.rmtree(folder)
    Journal(out / "journal").remove(student)
    names = read_draws_as(out)
    if names.pop(student, None) is not None:
        write_draws_as(out, names)
    _in_tables(out, student, None)


def places(out: Path, student: str, submitted: Path | None = None) -> list[str]:
    """Where a learner's work and marks are, as lines to read."""
    found = [str(folder) for folder in _folders(out, student, submitted)]
    found += [str(path) for path in Journal(out / "journal").of(student)]
    with Gradebook(database(out)) as book:
        try:
            count = len(book.find_student(student).submissions)
            found.append(f"{out / GRADEBOOK}: {count} submissions")
        except MissingEntry:
            pass
    return found


def still_named(out: Path, student: str, submitted: Path | None = None) -> list[Path]:
    """The tables and pages that name a learner: reports of the class, and what was collected when."""
    beside = [submitted.with_name(f"{submitted.name}-collected.csv")] if submitted else []
    files = [path for path in (out / "report").rglob("*") if path.is_file()] + [
        path for path in (*out.glob("*.csv"), out / policy.NAME, *beside) if path.is_file()
    ]
    name = re.compile(rf"(?<![\w.@-]){re.escape(student)}(?![\w@-])".encode())
    return sorted(path for path in files if name.search(path.read_bytes()))


def _said_before(out: Path, old: str, new: str) -> None:
    """Refuse to begin where another renaming has not ended."""
    if (out / _UNDER_WAY).exists():
        first, second, _ = json.loads((out / _UNDER_WAY).read_text(encoding="utf-8"))
        if (first, second) != (old, new):
            raise RenameError(
                f"renaming {first} to {second} was stopped; first: course class rename … {first} {second}"
            )


def _can_be_renamed(out: Path, old: str, new: str, submitted: Path | None) -> None:
    if not STUDENT.match(new):
        raise RenameError(f"{new[:60]!r} is not a student's name; the letters a to z, digits and _ . @ - are")
    if old == new or not places(out, old, submitted):
        raise RenameError(f"there is nobody called {old!r}" if old != new else f"{old} is called so already")
    if places(out, new):
        raise RenameError(
            f"somebody is called {new} here already. If that is the same person, whose later work came under "
            f"the new name: course class remove … {new}, without --submitted; rename; and grade it again"
        )
    _policy_with(out, old, new)
    if submitted and (twice := _names(submitted / old) & _names(submitted / new)):
        raise RenameError(
            f"{old} and {new} have both handed in {sorted(twice)[0]}: move the one away that counts not"
        )


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def _folders(out: Path, student: str, submitted: Path | None) -> list[Path]:
    """A learner's folders, of the class and of what was handed in."""
    kinds = [kind for kind in sorted(out.iterdir()) if kind.is_dir() and kind.name not in OF_NOBODY]
    found = [kind / student for kind in [*kinds, *([submitted] if submitted else [])]]
    return [path for path in dict.fromkeys(found) if path.is_dir() and not path.is_symlink()]


def _move(folder: Path, to: Path) -> None:
    """A folder's content into another, which may have other things in it already."""
    to.mkdir(exist_ok=True)
    for each in list(folder.iterdir()):
        if (to / each.name).is_dir() and not (to / each.name).is_symlink():
            shutil.rmtree(to / each.name)
        os.replace(each, to / each.name)
    folder.rmdir()


def _in_gradebook(out: Path, old: str, new: str | None) -> None:
    with Gradebook(database(out)) as book:
        try:
            student = book.find_student(old)
        except MissingEntry:
            return
        if new is None:
            book.remove_student(old)
            return
        kept = {name: getattr(student, name) for name in ("first_name", "last_name", "email", "lms_user_id")}
        book.db.add(Student(id=new, **kept))
        book.db.flush()
        book.db.execute(
            update(SubmittedAssignment)
            .where(SubmittedAssignment.student_id == old)
            .values(student_id=new)
            .execution_options(synchronize_session=False)
        )
        book.db.expire_all()
        book.db.delete(student)
        book.db.commit()


def _in_tables(out: Path, old: str, new: str | None) -> None:
    """results.jsonl, changes.csv, attempts.csv, extensions, and the tables that are made of the gradebook."""
    rows = list(_rows(reports.read_results(out / "results.jsonl"), old, new))
    write_whole(out / "results.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    for name, columns in {"changes.csv": CHANGE_COLUMNS, "attempts.csv": ATTEMPT_COLUMNS}.items():
        if (out / name).exists():
            with open(out / name, newline="", encoding="utf-8") as file:
                kept = list(_rows(list(csv.DictReader(file)), old, new))
            write_whole(out / name, reports.as_csv(columns, kept))
    if (out / policy.NAME).exists():
        write_whole(out / policy.NAME, _policy_with(out, old, new))
    reports.write_grades(out, database(out), rows)


def _rows(rows: list[dict], old: str, new: str | None) -> Iterator[dict]:
    for row in rows:
        if row["student"] != old:
            yield row
        elif new is not None:
            yield row | {"student": new}


def _policy_with(out: Path, old: str, new: str | None) -> str:
    path = out / policy.NAME
    return with_extensions_of(path.read_text(encoding="utf-8") if path.exists() else "", old, new)


def with_extensions_of(text: str, old: str, new: str | None) -> str:
    """policy.toml with the extensions of `old` under the name `new`, or without them; all else stays as it
    stands.

    Raises `RenameError` where a line stands in a form that only a person can change.
    """
    wanted = copy.deepcopy(tomllib.loads(text))
    for students in wanted.get("extensions", {}).values():
        if (moment := students.pop(old, None)) is not None and new is not None:
            students[new] = moment
    lines, table = [], ""
    key = re.compile(rf"(\s*)([\"']?){re.escape(old)}\2(\s*=)")
    for line in text.splitlines(keepends=True):
        table = line.strip() if line.lstrip().startswith("[") else table
        found = key.match(line) if table.startswith("[extensions.") else None
        if not found:
            lines.append(line)
        elif new is not None:
            quoted = new if re.fullmatch(r"[\w-]+", new, re.ASCII) else f'"{new}"'
            lines.append(f"{found[1]}{quoted}{found[3]}{line[found.end() :]}")
    after = "".join(lines)
    if tomllib.loads(after) != wanted:
        raise RenameError(
            f"{policy.NAME} has an extension for {old}: change it there by hand, and call this again"
        )
    return after

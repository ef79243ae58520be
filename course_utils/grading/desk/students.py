"""`course class rename DIR OLD NEW` and `course class remove DIR NAME`: a learner with another name, or gone.

A learner who is called otherwise keeps work, marks and draws. One who is taken out leaves nothing that a
later command trips over; the command first shows what goes, and takes it away with `--yes`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from course_utils.grading.desk.arguments import add_class_folder
from course_utils.grading.desk.feedback import FeedbackError, write_pages
from course_utils.grading.gradebook import renaming
from course_utils.grading.gradebook.alone import Busy, only_writer
from course_utils.grading.gradebook.place import why_no_class
from course_utils.grading.gradebook.policy import PolicyError, read_policy
from course_utils.grading.gradebook.release import quiet_log
from course_utils.grading.gradebook.renaming import RenameError

_FAULTS = (RenameError, PolicyError, Busy, ValueError, OSError, SQLAlchemyError)


def rename_student(out: Path, old: str, new: str, submitted: Path | None = None) -> Iterator[str]:
    """Rename a learner; yields lines that tell what else there is to do."""
    _is_class(out, submitted)
    with only_writer(out), quiet_log():
        read_policy(out)
        renaming.rename(out, old, new, submitted)
    try:
        _, failed = write_pages(out, students=[new])
    except FeedbackError:
        failed = []  # nothing of theirs was graded yet
    yield from (f"no page for {line}" for line in failed)
    yield f"{old} is {new} now, with the same work, marks and draws"
    if submitted is None:
        yield f"SUBMITTED/{old} was not looked at: rename it too, or say --submitted, before grading"
    yield from _named(out, old, submitted)


def remove_student(out: Path, student: str, submitted: Path | None = None) -> Iterator[str]:
    """Take a learner out of a class; yields lines that tell what else there is to do."""
    _is_class(out, submitted)
    with only_writer(out), quiet_log():
        read_policy(out)
        renaming.remove(out, student, submitted)
    yield f"{student} is no more in {out}"
    if submitted is None:
        yield f"SUBMITTED/{student}, if there is one, was not touched: the next `course grade` grades it"
    yield from _named(out, student, submitted)


def _named(out: Path, student: str, submitted: Path | None) -> Iterator[str]:
    if found := renaming.still_named(out, student, submitted):
        yield f"{student} still stands in {', '.join(map(str, found))}"
        if any("report" in path.relative_to(out).parts for path in found if path.is_relative_to(out)):
            yield "course report writes its pages again"


def _is_class(out: Path, submitted: Path | None) -> None:
    if why := why_no_class(out):
        raise RenameError(why)
    if submitted is not None and not submitted.is_dir():
        raise RenameError(f"there is no folder {submitted}")


def _parser(verb: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"course class {verb}", description=__doc__.splitlines()[0])
    add_class_folder(parser)
    parser.add_argument(
        "--submitted", type=Path, metavar="SUBMITTED", help="what was handed in, as given to `course grade`"
    )
    return parser


def _absolute(path: Path | None) -> Path | None:
    return path.resolve() if path else None


def rename_main(argv: list[str] | None = None) -> int:
    """The `course class rename` command; exit code 0 when the learner has the new name everywhere."""
    parser = _parser("rename")
    parser.add_argument("old", metavar="OLD", help="what the learner is called now")
    parser.add_argument("new", metavar="NEW", help="of the letters a to z, digits and _ . @ -")
    options = parser.parse_args(argv)
    try:
        for line in rename_student(
            options.out.resolve(), options.old, options.new, _absolute(options.submitted)
        ):
            print(line)
    except _FAULTS as error:
        print(f"course class rename: {error}", file=sys.stderr)
        return 1
    return 0


def remove_main(argv: list[str] | None = None) -> int:
    """The `course class remove` command; exit code 0 when the learner is gone, 1 where `--yes` is missing."""
    parser = _parser("remove")
    parser.add_argument("student", metavar="NAME")
    parser.add_argument(
        "--yes", action="store_true", help="take it away; without it, only show what would go"
    )
    options = parser.parse_args(argv)
    out, submitted = options.out.resolve(), _absolute(options.submitted)
    try:
        _is_class(out, submitted)
        found = renaming.places(out, options.student, submitted)
        if not found:
            raise RenameError(f"there is nobody called {options.student!r}")
        if not options.yes:
            print(
                "\n".join(
                    ["this would go, for good:", *(f"  {line}" for line in found), "with --yes it does"]
                )
            )
            return 1
        for line in remove_student(out, options.student, submitted):
            print(line)
    except _FAULTS as error:
        print(f"course class remove: {error}", file=sys.stderr)
        return 1
    return 0

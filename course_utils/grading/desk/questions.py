"""`course class questions DIR`: a question added to an exercise or taken out of it after the first grading.

It first shows what would change in the gradebook, and changes it with `--yes`. A question that was faulty
need not be taken out: `[void]` of policy.toml keeps its marks, and nobody's total counts them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nbgrader.api import Gradebook
from sqlalchemy.exc import SQLAlchemyError

from course_utils.grading.desk.arguments import add_class_folder
from course_utils.grading.gradebook import questions
from course_utils.grading.gradebook.alone import Busy, only_writer
from course_utils.grading.gradebook.place import database, why_no_class
from course_utils.grading.gradebook.release import (
    ReleaseError,
    copy_source,
    exercise_names,
    generate,
    quiet_log,
)
from course_utils.install import ROOT


def _of_class(out: Path, wanted: str | None, solutions: Path) -> list[str]:
    """The exercises to look at: the one that is named, or all that the class has and that there are."""
    if why := why_no_class(out):
        raise ReleaseError(why)
    known = exercise_names(solutions)
    if wanted is not None and wanted not in known:
        raise ReleaseError(f"there is no exercise {wanted!r}; there are {', '.join(known)}")
    with Gradebook(database(out)) as book:
        return [wanted] if wanted else [each.name for each in book.assignments if each.name in known]


def main(argv: list[str] | None = None) -> int:
    """The `course class questions` command; exit code 0 when the gradebook has the questions that the
    exercises have, 1 where `--yes` is missing.
    """
    parser = argparse.ArgumentParser(prog="course class questions", description=__doc__.splitlines()[0])
    add_class_folder(parser)
    parser.add_argument("--exercise", metavar="NAME", help="only this exercise")
    parser.add_argument("--yes", action="store_true", help="do it; without it, only show what would change")
    parser.add_argument("--solutions", type=Path, default=ROOT / "solutions", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    out, solutions = options.out.resolve(), options.solutions.resolve()
    try:
        names = _of_class(out, options.exercise, solutions)
        with only_writer(out), quiet_log():
            plans = [questions.plan(out, solutions, name) for name in names]
            plans = [each for each in plans if each.lines]
            for each in plans:
                print("\n".join([f"{each.exercise}:", *(f"  {line}" for line in each.lines)]))
            if not plans:
                print("the gradebook has the questions that the exercises have")
            elif options.yes:
                for each in plans:
                    questions.follow(out, each)
                    copy_source(solutions, out, each.exercise)
                    generate(each.exercise, out, database=True)
    except (ReleaseError, Busy, OSError, SQLAlchemyError) as error:
        print(f"course class questions: {error}", file=sys.stderr)
        return 1
    if plans and options.yes:
        print(f"done; the gradebook as it was is {out / questions.BACKUP}. Now grade again, with --resume")
    elif plans:
        print("nothing is changed yet; with --yes it is")
    return 1 if plans and not options.yes else 0

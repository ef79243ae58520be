"""`course report class DIR`: what a class made of its exercises, for whoever teaches it.

Written into DIR/report: a page for the term (index.html) and one an exercise, and the same figures as CSV.
Nothing is graded, and nothing in the gradebook changes.
"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from pathlib import Path

from course_utils.checks.framework import load_exercise
from course_utils.files import write_whole
from course_utils.grading.desk.arguments import add_class_folder
from course_utils.grading.desk.collect import Refused, read_roster
from course_utils.grading.gradebook import class_figures, class_pages
from course_utils.grading.gradebook.class_figures import ExerciseFigures
from course_utils.grading.gradebook.place import why_no_marks
from course_utils.grading.gradebook.policy import PolicyError, read_policy

FOLDER = "report"


class ReportError(Exception):
    """No report can be written; the message says what to do."""


def class_report(out: Path, exercise: str | None = None, roster: set[str] | None = None) -> list[Path]:
    """Write the pages and tables of a class's folder; returns them, the first page first.

    `exercise` is the only one that gets a page of its own; the term's page and the tables hold all. `roster`
    are the students there are; without it, those who handed in anything.

    Raises:
        ReportError: where nothing is graded, or nothing of `exercise`.
    """
    found = _figures(out, roster)
    names = [one.name for one in found]
    if exercise is not None and exercise not in names:
        raise ReportError(f"nothing is graded of {exercise}; there is {', '.join(names)}")
    made = f"as of {datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"
    students = {one.student for each in found for one in each.submissions} | (roster or set())
    texts = {"index.html": class_pages.term_page(found, len(students), roster is not None, made)}
    texts |= {
        f"{one.name}.html": class_pages.exercise_page(one, made)
        for one in found
        if exercise in (None, one.name)
    }
    texts |= {
        "questions.csv": class_pages.questions_csv(found),
        "learners.csv": class_pages.learners_csv(found),
    }
    for name, text in texts.items():
        write_whole(out / FOLDER / name, text)
    return [out / FOLDER / name for name in texts]


def _figures(out: Path, roster: set[str] | None) -> list[ExerciseFigures]:
    if why := why_no_marks(out):
        raise ReportError(why)
    submissions = class_figures.read_class(out)
    if not submissions:
        raise ReportError(f"nothing is graded in {out} yet")
    known = {one.student for each in submissions.values() for one in each} | (roster or set())
    policy = read_policy(out)
    return [
        class_figures.figures(load_exercise(name), each, known, policy.void(name))
        for name, each in submissions.items()
    ]


def main(argv: list[str] | None = None) -> int:
    """The `course report class` command."""
    parser = argparse.ArgumentParser(prog="course report class", description=__doc__.splitlines()[0])
    add_class_folder(parser)
    parser.add_argument("--exercise", metavar="NAME", help="a page of this exercise only, and the term's")
    parser.add_argument(
        "--roster", type=Path, metavar="CSV", help="id, student: who there is, to find who handed in nothing"
    )
    options = parser.parse_args(argv)
    try:
        roster = set(read_roster(options.roster).values()) if options.roster else None
        written = class_report(options.out.resolve(), options.exercise, roster)
    except (ReportError, Refused, PolicyError, OSError) as error:
        print(f"course report class: {error}", file=sys.stderr)
        return 1
    print(f"{len(written)} files; begin with {written[0]}")
    return 0

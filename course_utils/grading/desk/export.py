"""`course export DIR --to canvas`: a class's marks as a file that a learning platform imports.

The marks are read from the gradebook as it is now, late penalties of the class's policy taken
off. Only those that are final are exported: a submission that is ungraded or waits for a person
is left out and named, because an empty cell would be read as "no grade" and a provisional one
as final.
Each platform's form is in a file of `exporters/`.
"""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import replace
from pathlib import Path

from nbgrader.api import Gradebook

from course_utils.grading.desk.channels.base import Refused
from course_utils.grading.desk.collect import read_roster
from course_utils.grading.desk.exporters import exporters
from course_utils.grading.desk.exporters.base import ExportError, Marks
from course_utils.grading.gradebook.alone import Busy, only_writer
from course_utils.grading.gradebook.attempts import settle_class
from course_utils.grading.gradebook.marks import read_marks as read_marks_of_class
from course_utils.grading.gradebook.marks import worth
from course_utils.grading.gradebook.place import database, why_no_marks
from course_utils.grading.gradebook.policy import PolicyError, read_policy
from course_utils.grading.gradebook.reports import read_results, write_grades
from course_utils.grading.gradebook.writer import WriteError


def read_marks(folder: Path, exercise: str | None) -> Marks:
    """The final marks of one exercise of a class; the only one there is if none is named."""
    if why := why_no_marks(folder):
        raise ExportError(why)
    address = database(folder.resolve())
    with only_writer(folder):
        settle_class(folder)
        rows = write_grades(folder, address, read_results(folder / "results.jsonl"))
    names = sorted({row["exercise"] for row in rows})
    if exercise is None and len(names) != 1:
        raise ExportError(f"say which one with --exercise: {', '.join(names) or 'nothing is graded yet'}")
    if exercise is not None and exercise not in names:
        raise ExportError(f"nothing is graded of {exercise!r}; there are {', '.join(names)}")
    chosen = [row for row in rows if row["exercise"] == (exercise or names[0])]
    final = {row["student"]: row for row in chosen if row["status"] == "graded"}
    void = read_policy(folder).void(chosen[0]["exercise"])
    with Gradebook(address) as book:
        marks, possible = read_marks_of_class(book), worth(book)[chosen[0]["exercise"]]
    counted = {name: points for name, points in possible.items() if name not in void}
    return Marks(
        chosen[0]["exercise"],
        float(chosen[0]["max_score"]),
        {student: _after_penalty(row) for student, row in final.items()},
        {
            student: _feedback(row, marks[student, row["exercise"]].points, counted)
            for student, row in final.items()
        },
        {row["student"]: row["message"] or row["status"] for row in chosen if row["student"] not in final},
    )


def _after_penalty(row: dict) -> float:
    """The score less the late penalty, as nbgrader's own exporter has it."""
    return max(0.0, float(row["score"]) - float(row["late_penalty"]))


def _feedback(row: dict, points: dict[str, float], possible: dict[str, float]) -> str:
    """Each question's points as the gradebook has them now, with those that a person gave or changed."""
    parts = [
        f"{question} {score:g} of {possible[question]:g}"
        for question, score in sorted(points.items(), key=lambda pair: _number(pair[0]))
        if question in possible
    ]
    if float(row["late_penalty"]):
        parts.append(f"late: -{float(row['late_penalty']):g}")
    return ", ".join(parts)


def _number(question: str) -> tuple[int, str]:
    """q2 comes before q10."""
    digits = "".join(filter(str.isdigit, question))
    return int(digits or 0), question


def main(argv: list[str] | None = None) -> int:
    """The `course export` command."""
    known = exporters()
    titles = ", ".join(exporter.title for exporter in known.values())
    parser = argparse.ArgumentParser(prog="course export", description=f"Marks as a file for {titles}.")
    parser.add_argument("folder", type=Path, metavar="DIR", help="what `course grade` wrote into")
    parser.add_argument("--to", choices=tuple(known), required=True)
    parser.add_argument("--exercise", metavar="NAME", help="which one, if there are several")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to (standard output)")
    parser.add_argument(
        "--template", type=Path, metavar="CSV", help="the platform's own export, to be filled in"
    )
    parser.add_argument(
        "--column", metavar="NAME", help="what the marks' column is called there (as the exercise)"
    )
    parser.add_argument(
        "--id-column", metavar="NAME", help="the column with the learners' names or numbers (where most are)"
    )
    parser.add_argument(
        "--roster", type=Path, metavar="CSV", help="id, student: the class's name for each of the platform's"
    )
    for exporter in known.values():
        exporter.add_options(parser)
    options = parser.parse_args(argv)
    try:
        marks = read_marks(options.folder, options.exercise)
        if options.roster:
            marks = replace(marks, roster=read_roster(options.roster))
        made = known[options.to].export(marks, options)
        if options.out:
            options.out.write_text(made.text, encoding="utf-8")
        else:
            print(made.text, end="")
    except (
        ExportError,
        PolicyError,
        Refused,
        Busy,
        WriteError,
        OSError,
        UnicodeDecodeError,
        csv.Error,
    ) as error:
        print(f"course export: {error}", file=sys.stderr)
        return 1
    for student in made.unknown:
        print(f"not in the template: {student}", file=sys.stderr)
    for student, why in made.kept.items():
        print(f"{why}, and left so: {student}", file=sys.stderr)
    for student, why in marks.left_out.items():
        print(f"left out: {student} ({why})", file=sys.stderr)
    for note in made.notes:
        print(note, file=sys.stderr)
    print(
        f"{len(marks.scores) - len(made.unknown) - len(made.kept)} marks exported, "
        f"{len(marks.left_out)} left out",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`course report similarity DIR`: which submissions of an exercise have answers that are nearly the same.

Written into DIR/report: a page an exercise that lists the groups and pairs, a page for each with the answers
side by side, and the list as CSV. It is a hint: some may have learned together, and some may have copied. No
mark knows of it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from course_utils.files import write_whole
from course_utils.grading.desk.arguments import add_class_folder
from course_utils.grading.desk.report import FOLDER, ReportError
from course_utils.grading.gradebook import similarity_pages
from course_utils.grading.gradebook.similarity import Alike, Answers, alike

AT_LEAST = 0.5


def similarity_report(out: Path, exercise: str | None = None, at_least: float = AT_LEAST) -> list[Path]:
    """Write the pages and tables; returns them, an exercise's page and its table before those of its pairs.

    Raises `ReportError` where nothing is graded, or nothing of `exercise`.
    """
    graded = out / "autograded"
    names = sorted({path.parent.name for path in graded.glob("*/*/*.ipynb") if path.stem == path.parent.name})
    if not names:
        raise ReportError(f"nothing is graded in {out}; run `course grade … --out {out}` first")
    if exercise is not None and exercise not in names:
        raise ReportError(f"nothing is graded of {exercise}; there is {', '.join(names)}")
    written = []
    for name in [exercise] if exercise else names:
        found = similar(out, name, at_least)
        of_this = []
        for file, text in similarity_pages.pages(name, found, partial(_answers, out, name), at_least):
            write_whole(out / FOLDER / file, text)
            of_this.append(out / FOLDER / file)
        written += of_this[-2:] + of_this[:-2]
    return written


def similar(out: Path, name: str, at_least: float) -> Alike:
    """What is alike in the submissions of an exercise."""
    students = sorted(path.parents[1].name for path in out.glob(f"autograded/*/{name}/{name}.ipynb"))
    background = [
        _read(path, place)
        for place in ("release", "source")
        if (path := out / place / name / f"{name}.ipynb").is_file()
    ]
    return alike((_answers(out, name, student) for student in students), background, at_least)


def _answers(out: Path, name: str, student: str) -> Answers:
    return _read(out / "autograded" / student / name / f"{name}.ipynb", student)


def _read(path: Path, student: str) -> Answers:
    """The answers of a notebook that the grader wrote, which therefore needs no validation."""
    return Answers(student, dict(_cells(json.loads(path.read_bytes()))))


def _cells(notebook: dict) -> Iterator[tuple[str, tuple[str, bool]]]:
    for cell in notebook["cells"]:
        marks = cell["metadata"].get("nbgrader", {})
        if marks.get("solution"):
            yield marks["grade_id"], ("".join(cell["source"]), cell["cell_type"] == "code")


def main(argv: list[str] | None = None) -> int:
    """The `course report similarity` command."""
    parser = argparse.ArgumentParser(prog="course report similarity", description=__doc__.splitlines()[0])
    add_class_folder(parser)
    parser.add_argument("--exercise", metavar="NAME", help="of this exercise only")
    parser.add_argument(
        "--at-least",
        type=float,
        default=AT_LEAST,
        metavar="SHARE",
        help=f"of the smaller one's fingerprints that both have, from 0 to 1 ({AT_LEAST})",
    )
    options = parser.parse_args(argv)
    try:
        if not 0 < options.at_least <= 1:
            raise ReportError(f"--at-least is a share from 0 to 1, and not {options.at_least:g}")
        written = similarity_report(options.out.resolve(), options.exercise, options.at_least)
    except (ReportError, OSError) as error:
        print(f"course report similarity: {error}", file=sys.stderr)
        return 1
    print(f"{len(written)} files; begin with {written[0]}. They are a hint, and no mark knows of them.")
    return 0

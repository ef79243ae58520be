"""`course report similarity DIR`: which submissions of an exercise have answers that are nearly the same.

Written into DIR/report: a page an exercise that lists the pairs, a page a pair with the two side by side, and
the list as CSV. It is a hint: two may have learned together, and one may have copied. No mark knows of it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import nbformat

from course_utils.files import write_whole
from course_utils.grading.desk.arguments import add_class_folder
from course_utils.grading.desk.report import FOLDER, ReportError
from course_utils.grading.gradebook import similarity_pages
from course_utils.grading.gradebook.similarity import Answers, Pair, pairs, read_answers
from course_utils.grading.run.placing import is_answer

AT_LEAST = 0.5
MOST_PAIRS = 200


def similarity_report(out: Path, exercise: str | None = None, at_least: float = AT_LEAST) -> list[Path]:
    """Write the pages and tables; returns them, an exercise's page before those of its pairs.

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
        found, count = similar(out, name, at_least)
        for file, text in similarity_pages.pages(name, found[:MOST_PAIRS], count, at_least).items():
            write_whole(out / FOLDER / file, text)
            written.append(out / FOLDER / file)
    return written


def similar(out: Path, name: str, at_least: float) -> tuple[list[Pair], int]:
    """The pairs of an exercise that are alike, and how many submissions were compared."""
    submissions = [
        _answers(path, path.parents[1].name) for path in sorted(out.glob(f"autograded/*/{name}/{name}.ipynb"))
    ]
    background = [
        _answers(path, place)
        for place in ("release", "source")
        if (path := out / place / name / f"{name}.ipynb").is_file()
    ]
    return pairs(submissions, background, at_least), len(submissions)


def _answers(path: Path, student: str) -> Answers:
    notebook = nbformat.read(path, as_version=4)
    return read_answers(
        student,
        {
            cell.metadata["nbgrader"]["grade_id"]: (cell.source, cell.cell_type == "code")
            for cell in notebook.cells
            if is_answer(cell)
        },
    )


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

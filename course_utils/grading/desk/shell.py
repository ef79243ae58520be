"""`course check exercises/NN_name`: what `course.check` says, from the shell.

The notebook is run by the same executor as in grading, with the public data, so what
passes here passes there given the same data.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from course_utils.checks import render
from course_utils.checks.framework import Exercise, Report, load_exercise
from course_utils.grading.gradebook.originals import original
from course_utils.grading.run import executor
from course_utils.grading.run.executor import Clocks
from course_utils.grading.run.placing import not_taken, place
from course_utils.grading.run.reading import Ungradable, read_submission
from course_utils.grading.run.warm import Nursery
from course_utils.workplace import workplace


def find_notebook(given: str) -> tuple[str, Path]:
    """The exercise's name and its notebook, from a folder, a notebook or a bare name.

    Raises `Ungradable` when there is no such notebook.
    """
    path = Path(given)
    if path.suffix == ".ipynb":
        name, notebook = path.stem, path
    else:
        name = path.resolve().name
        notebook = (path if path.is_dir() else workplace() / "exercises" / name) / f"{name}.ipynb"
    if not notebook.is_file():
        raise Ungradable(f"there is no notebook {notebook}")
    return name, notebook


def check_notebook(name: str, notebook: Path, released: Path | None = None) -> list[Report]:
    """The reports on a learner's notebook with the public data, in the order of the questions."""
    exercise = load_exercise(name)
    submitted = read_submission(notebook)
    given = executor.read_released(released) if released else original(name)
    for sentence in not_taken(place(given, submitted, exercise)):
        _say(sentence)
    clocks = Clocks(cell=exercise.cell_seconds)
    own = Nursery("none")  # a learner's own code on their own machine
    try:
        graded = executor.grade(given, submitted, exercise, executor.public_keys, clocks, _checking, own)
    finally:
        own.close()
    by_hand = {name: question.run(None) for name, question in exercise.questions.items() if question.manual}
    found = graded.reports | by_hand
    return [found[name] for name in exercise.questions if name in found]


def _checking(question: str) -> None:
    _say(f"checking {question}")


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _chosen(exercise: Exercise, reports: list[Report], wanted: list[str]) -> list[Report]:
    for name in wanted:
        exercise.find(name)
    return [report for report in reports if not wanted or report.question in wanted]


def main(argv: list[str] | None = None) -> int:
    """The `course check` command; exit code 0 when everything asked for is right."""
    parser = argparse.ArgumentParser(prog="course check", description="Check an exercise from the shell.")
    parser.add_argument("exercise", help="its folder, notebook or name: exercises/06_full_fine_tuning")
    parser.add_argument(
        "questions", nargs="*", metavar="QUESTION", help="which ones to show (all by default)"
    )
    parser.add_argument("--hint", metavar="QUESTION", help="show a hint and check nothing")
    parser.add_argument("--level", type=int, default=1, choices=(1, 2, 3), help="how much the hint tells (1)")
    parser.add_argument("--card", action="store_true", help="show the exercise's card and check nothing")
    parser.add_argument("--json", action="store_true", help="the reports as JSON")
    parser.add_argument("--released", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    try:
        return _run(options)
    except (Ungradable, LookupError) as error:
        print(f"course check: {error.args[0]}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    if options.card or options.hint:
        exercise = load_exercise(Path(options.exercise).resolve().name.removesuffix(".ipynb"))
        print(
            render.exercise_text(exercise)
            if options.card
            else render.hint_text(exercise.find(options.hint), options.level)
        )
        return 0
    name, notebook = find_notebook(options.exercise)
    exercise = load_exercise(name)
    _chosen(exercise, [], options.questions)
    reports = _chosen(exercise, check_notebook(name, notebook, options.released), options.questions)
    if options.json:
        print(json.dumps([report.to_dict() for report in reports], indent=1))
    else:
        print("\n\n".join(render.report_text(report) for report in reports))
        if not options.questions:
            print("\n" + render.total_text(reports, exercise))
    asked = [report for report in reports if not exercise.find(report.question).manual]
    return 0 if all(report.points == report.max_points for report in asked) else 1


if __name__ == "__main__":
    sys.exit(main())

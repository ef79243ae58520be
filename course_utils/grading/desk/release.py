"""`course release [--check] [--edition ARCHIVE] [--language LANGUAGE]`: what learners get, from `solutions/`.

An exercise that could not be graded is not released: see `judging`. In another language only the words of
the markdown cells are others, so what is handed in from there is graded with everybody's.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from course_utils.checks.framework import load_exercise
from course_utils.files import write_whole
from course_utils.grading.gradebook.edition import EditionError, write_edition
from course_utils.grading.gradebook.release import ReleaseError, build, differences, exercise_names
from course_utils.install import ROOT
from course_utils.texts import markdown


def main(argv: list[str] | None = None) -> int:
    """The `course release` command."""
    parser = argparse.ArgumentParser(prog="course release", description="Build exercises/ from solutions/.")
    parser.add_argument("names", nargs="*", metavar="EXERCISE", help="which ones (all of them by default)")
    parser.add_argument(
        "--check", action="store_true", help="only compare; exit code 1 if exercises/ differs"
    )
    parser.add_argument(
        "--edition",
        type=Path,
        metavar="ARCHIVE",
        help="only pack what a class gets, without solutions, as a zip",
    )
    parser.add_argument(
        "--language",
        metavar="LANGUAGE",
        help=f"a copy, or an edition, whose texts are in this language ({', '.join(markdown.codes())}); "
        "graded as any other",
    )
    parser.add_argument(
        "--into",
        type=Path,
        metavar="FOLDER",
        help="where that copy is written (exercises-LANGUAGE/, beside exercises/)",
    )
    parser.add_argument(
        "--unjudged", action="store_true", help="release without grading the solutions first, while you write"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="how many to judge at a time (1)")
    parser.add_argument("--solutions", type=Path, default=ROOT / "solutions", help=argparse.SUPPRESS)
    parser.add_argument("--exercises", type=Path, default=ROOT / "exercises", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.language and options.check:
        parser.error("--check compares exercises/, which is English: leave --language out")
    if options.into and (options.edition or not options.language):
        parser.error("--into is where a copy in another language goes: name that with --language alone")
    try:
        tongue = markdown.tongue(options.language) if options.language else None
        if options.edition:
            return _edition(options, tongue)
        names = _chosen(options.names, exercise_names(options.solutions))
        if tongue:
            return _release_in(tongue, options, names)
        return _check(options, names) if options.check else _release(options, names)
    except (ReleaseError, EditionError, LookupError) as error:
        print(f"course release: {error.args[0]}", file=sys.stderr)
        return 1


def _chosen(wanted: list[str], there: list[str]) -> list[str]:
    names = [Path(name).name for name in wanted] or there
    unknown = sorted(set(names) - set(there))
    if unknown or not names:
        raise ReleaseError(
            f"no solution for {unknown[0] if unknown else 'any exercise'}; there are "
            f"{', '.join(there) or 'none'}"
        )
    return names


def _release(options: argparse.Namespace, names: list[str]) -> int:
    with tempfile.TemporaryDirectory() as place:
        _build(options, Path(place), names)
        for name in names:
            shutil.rmtree(options.exercises / name, ignore_errors=True)
            shutil.copytree(Path(place, name), options.exercises / name)
    for name in names:
        print(f"released {name}: {_points(options, name)}")
    return 0


def _build(options: argparse.Namespace, made: Path, names: list[str]) -> None:
    """Exercises as they are released, in English; raises `ReleaseError` where they could not be graded."""
    solutions = options.solutions.resolve()
    build(solutions, made, names)
    if not options.unjudged:
        _judge(solutions, made, names, options.jobs)


def _points(options: argparse.Namespace, name: str) -> str:
    said = ", not judged: its solution was not graded" if options.unjudged else ""
    return f"{load_exercise(name).points:g} points{said}"


def _release_in(tongue: markdown.Tongue, options: argparse.Namespace, names: list[str]) -> int:
    """A copy of exercises in another language: of those named, else of all that it has."""
    folder = options.into or options.exercises.with_name(f"{options.exercises.name}-{tongue.code}")
    if folder.resolve() == options.solutions.resolve():
        raise ReleaseError(f"{folder} is where the solutions are: name another folder with --into")
    there = [name for name in names if _said(tongue, options.solutions, name)]
    if not there or (options.names and there != names):
        without = ", ".join(sorted(set(names) - set(there)))
        raise ReleaseError(f"no text is in {tongue.name} of {without}; see `course texts`")
    with tempfile.TemporaryDirectory() as place:
        _build(options, Path(place), there)
        for name in there:
            shutil.copytree(Path(place, name), folder / name, dirs_exist_ok=True)
            file = folder / name / f"{name}.ipynb"
            data, said, count = tongue.notebook(file.read_bytes())
            write_whole(file, data)
            texts = f"{said} of {count} texts in {tongue.name}"
            others = ", the others in English" if said < count else ""
            print(f"released {name}: {_points(options, name)}, {texts}{others}: {file}")
    return 0


def _said(tongue: markdown.Tongue, solutions: Path, name: str) -> int:
    """How many texts of an exercise are in a language."""
    return tongue.notebook((solutions / name / f"{name}.ipynb").read_bytes())[1]


def _judge(solutions: Path, made: Path, names: list[str], jobs: int) -> None:
    """Raise `ReleaseError` unless what is to be released can be graded."""
    from course_utils.grading.desk.judging import faults  # the whole of grading, which --check does without

    found = faults(solutions, made, names, jobs)
    if found:
        raise ReleaseError("\n  ".join(["nothing is released:", *found]))


def _edition(options: argparse.Namespace, tongue: markdown.Tongue | None) -> int:
    archive, said = options.edition, ""
    if tongue:
        names = exercise_names(options.solutions)
        there = sum(_said(tongue, options.solutions, name) > 0 for name in names)
        said = f", {there} of {len(names)} exercises in {tongue.name}"
    count = write_edition(archive, tongue=tongue)
    print(f"packed {archive}: {count} files, {archive.stat().st_size / 1e6:.1f} MB, no solutions{said}")
    return 0


def _check(options: argparse.Namespace, names: list[str]) -> int:
    with tempfile.TemporaryDirectory() as place:
        build(options.solutions.resolve(), Path(place), names)
        lines = differences(Path(place), options.exercises.resolve(), names)
    if options.names:
        lines = [line for line in lines if not line.endswith("has no solution")]
    if lines:
        print("\n".join(lines))
        print("\nexercises/ is not what solutions/ gives; run `course release` and commit the result.")
        return 1
    print(f"exercises/ is up to date ({len(names)} {'exercise' if len(names) == 1 else 'exercises'})")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`course release [--check | --edition ARCHIVE]`: what learners get, built from `solutions/`.

An exercise that could not be graded is not released: see `judging`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from course_utils.checks.framework import load_exercise
from course_utils.grading.gradebook.edition import EditionError, write_edition
from course_utils.grading.gradebook.release import ReleaseError, build, differences, exercise_names
from course_utils.install import ROOT


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
        "--unjudged", action="store_true", help="release without grading the solutions first, while you write"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="how many to judge at a time (1)")
    parser.add_argument("--solutions", type=Path, default=ROOT / "solutions", help=argparse.SUPPRESS)
    parser.add_argument("--exercises", type=Path, default=ROOT / "exercises", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.edition:
        return _edition(options.edition)
    try:
        names = _chosen(options.names, exercise_names(options.solutions))
        return _check(options, names) if options.check else _release(options, names)
    except (ReleaseError, LookupError) as error:
        print(f"course release: {error}", file=sys.stderr)
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
    solutions, exercises = options.solutions.resolve(), options.exercises.resolve()
    with tempfile.TemporaryDirectory() as place:
        made = Path(place)
        build(solutions, made, names)
        if not options.unjudged:
            _judge(solutions, made, names, options.jobs)
        for name in names:
            shutil.rmtree(exercises / name, ignore_errors=True)
            shutil.copytree(made / name, exercises / name)
    for name in names:
        said = ", not judged: its solution was not graded" if options.unjudged else ""
        print(f"released {name}: {load_exercise(name).points:g} points{said}")
    return 0


def _judge(solutions: Path, made: Path, names: list[str], jobs: int) -> None:
    """Raise `ReleaseError` unless what is to be released can be graded."""
    from course_utils.grading.desk.judging import faults  # the whole of grading, which --check does without

    found = faults(solutions, made, names, jobs)
    if found:
        raise ReleaseError("\n  ".join(["nothing is released:", *found]))


def _edition(archive: Path) -> int:
    try:
        count = write_edition(archive)
    except EditionError as error:
        print(f"course release: {error}", file=sys.stderr)
        return 1
    print(f"packed {archive}: {count} files, {archive.stat().st_size / 1e6:.1f} MB, no solutions")
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

"""``course grade SUBMITTED --out DIR``: grade a class into nbgrader's gradebook.

``DIR`` becomes an nbgrader course folder: source, release, submitted (cleaned),
autograded and feedback, gradebook.db, and a nbgrader_config.py with which formgrader
and the exporters work there. A submission that cannot be graded is "ungraded" with
its reason; nothing that is wrong with one stops the rest.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import nbformat
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import parse_utc
from sqlalchemy.exc import SAWarning
from tqdm import tqdm
from traitlets.config import Config

from course_utils.checks import cards
from course_utils.checks.framework import load_exercise
from course_utils.grading import executor, reports
from course_utils.grading.executor import Graded, Limits, Ungradable
from course_utils.grading.nbgrader_steps import (
    AUTOGRADE_PREPROCESSORS,
    CONFIG_FILE,
    SECRET_FILE,
    JudgeOutside,
    configure,
    forget_marks,
    read_secret,
)
from course_utils.grading.release import ROOT, ReleaseError, copy_source, exercise_names, generate, quiet_log

_STUDENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,99}\Z")


class GradeError(Exception):
    """The whole run cannot go on; the message says what to do."""


@dataclass(frozen=True)
class Submission:
    """Who handed in what: ``SUBMITTED/<student>/<assignment>/``."""

    student: str
    assignment: str
    folder: Path

    def __str__(self) -> str:
        return f"{self.student} {self.assignment}"


@dataclass(frozen=True)
class Judged:
    """A submission and what came of it; ``why`` says why it is ungraded, if it is."""

    submission: Submission
    sources: dict[str, list[str]]
    graded: Graded
    why: str = ""


def find_submissions(
    submitted: Path, wanted: str | None, known: list[str]
) -> tuple[list[Submission], list[str]]:
    """All submissions in nbgrader's layout, and a line for each folder that is none."""
    found, skipped = [], []
    for student in sorted(path for path in submitted.iterdir() if not path.name.startswith(".")):
        if student.is_symlink() or not student.is_dir() or not _STUDENT.match(student.name):
            skipped.append(f"{student.name!r}: not a student's folder")
            continue
        for folder in sorted(path for path in student.iterdir() if not path.name.startswith(".")):
            if wanted is not None and folder.name != wanted:
                continue
            if folder.is_symlink() or not folder.is_dir() or folder.name not in known:
                skipped.append(f"{student.name}/{folder.name!r}: no exercise of that name")
            else:
                found.append(Submission(student.name, folder.name, folder))
    return found, skipped


def judge(submission: Submission, release: Path, secret: bytes) -> Judged:
    """Run and judge one submission; never raises for what is in it."""
    name = submission.assignment
    exercise = load_exercise(name)
    released = executor.read_released(release / name / f"{name}.ipynb")
    sources: dict[str, list[str]] = {}
    try:
        sources = executor.read_submission(_notebook(submission))
        keys = executor.secret_keys(secret, submission.student)
        graded = executor.grade(released, sources, exercise, keys, Limits(cell=exercise.cell_seconds))
        return Judged(submission, sources, graded)
    except Ungradable as error:
        why = str(error)
    except Exception as error:  # a fault of ours: say so, and go on with the next
        why = f"the grader failed ({type(error).__name__}: {str(error)[:300]})"
    return Judged(submission, sources, executor.ungraded(released, exercise, why), why)


def _notebook(submission: Submission) -> Path:
    path = submission.folder / f"{submission.assignment}.ipynb"
    if not path.exists():
        others = sorted(other.name for other in submission.folder.glob("*.ipynb"))
        found = f"; there is {others[0]}" if others else ""
        raise Ungradable(f"there is no notebook {path.name}{found}")
    return path


class Writer:
    """The one writer of a class's folder: notebooks, gradebook and feedback."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.database = f"sqlite:///{out / 'gradebook.db'}"

    def prepare(self, solutions: Path, names: list[str]) -> None:
        """Release the exercises into the class's folder and its gradebook."""
        self.out.mkdir(parents=True, exist_ok=True)
        for name in names:
            copy_source(solutions, self.out, name)
            generate(name, self.out, database=True)
        (self.out / "nbgrader_config.py").write_text(CONFIG_FILE.format(places=""), encoding="utf-8")

    def write(self, judged: Judged) -> list[reports.Result]:
        """Put one submission's marks and notebook in their places; returns its results."""
        submission = judged.submission
        self._stage(judged)
        try:
            self._autograde(judged)
        except Exception as error:
            # No mark may be left over from before, and none may be made up.
            why = f"the marks could not be written ({str(error)[:300]})"
            exercise = load_exercise(submission.assignment)
            judged = Judged(submission, {}, executor.ungraded(judged.graded.notebook, exercise, why), why)
        if judged.why:
            forget_marks(self.database, submission.assignment, submission.student)
        by_hand = [
            question.run(None)
            for question in load_exercise(submission.assignment).questions.values()
            if question.manual
        ]
        found = [*judged.graded.reports.values(), *by_hand]
        return [reports.result_of(submission.student, report, judged.graded.seconds) for report in found]

    def _stage(self, judged: Judged) -> None:
        """What nbgrader sees as submitted: the released notebook with the answers in it, and a valid time."""
        name = judged.submission.assignment
        place = self.out / "submitted" / judged.submission.student / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        released = executor.read_released(self.out / "release" / name / f"{name}.ipynb")
        nbformat.write(executor.rebuild(released, judged.sources), place / f"{name}.ipynb")
        stamp = _timestamp(judged.submission.folder / "timestamp.txt")
        if stamp:
            (place / "timestamp.txt").write_text(stamp, encoding="utf-8")

    def _convert(self, kind: type, submission: Submission, settings: dict) -> None:
        """One of nbgrader's conversions of one submission; raises with the reason it failed."""
        config = Config()
        configure(config, self.out)
        with quiet_log() as log:
            directory = CourseDirectory(config=config, log=log)
            directory.assignment_id, directory.student_id = submission.assignment, submission.student
            converter = kind(coursedir=directory, config=config, log=log, **settings)
            converter.force, converter.pre_convert_hook = True, None
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", SAWarning)  # nbgrader's own queries
                    converter.start()
            except Exception as error:
                raise GradeError(log.reason or str(error)) from error

    def _autograde(self, judged: Judged) -> None:
        submission = judged.submission
        step = JudgeOutside(judged={(submission.student, submission.assignment): judged.graded})
        steps = {"autograde_preprocessors": [step, *AUTOGRADE_PREPROCESSORS]}
        self._convert(Autograde, submission, steps)

    def feedback(self, everything: list[Judged]) -> list[str]:
        """nbgrader's feedback and a page of ours for each submission; returns what went wrong, in lines."""
        faults = []
        for judged in tqdm(everything, desc="feedback", unit="page", disable=None):
            try:
                self._feedback(judged)
            except Exception as error:
                faults.append(f"{judged.submission}: no feedback ({str(error)[:200]})")
        return faults

    def _feedback(self, judged: Judged) -> None:
        submission = judged.submission
        self._convert(GenerateFeedback, submission, {})
        exercise = load_exercise(submission.assignment)
        found = list(judged.graded.reports.values())
        score = f"ungraded: {judged.why}" if judged.why else cards.total_text(found, exercise)
        page = self.out / "feedback" / submission.student / submission.assignment / "report.html"
        page.write_text(reports.page(submission.student, exercise, found, score), encoding="utf-8")


def _timestamp(path: Path) -> str | None:
    """A submission's time stamp, if there is one that can be read."""
    try:
        text = (
            path.read_text(encoding="utf-8")[:100].strip() if path.is_file() and not path.is_symlink() else ""
        )
        return f"{parse_utc(text).isoformat(' ')} UTC" if text else None
    except (ValueError, OverflowError, OSError):
        return None


def judge_all(submissions: list[Submission], release: Path, secret: bytes, jobs: int) -> Iterator[Judged]:
    """Judge submissions, ``jobs`` at a time, in whatever order they are done."""
    if jobs == 1:
        for submission in submissions:
            yield judge(submission, release, secret)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("fork")) as pool:
        running = {pool.submit(judge, submission, release, secret): submission for submission in submissions}
        for future in as_completed(running):
            submission = running[future]
            try:
                yield future.result()
            except Exception as error:
                name = submission.assignment
                why = f"the grader's process failed ({type(error).__name__})"
                released = executor.read_released(release / name / f"{name}.ipynb")
                yield Judged(submission, {}, executor.ungraded(released, load_exercise(name), why), why)


def grade_class(
    submitted: Path,
    out: Path,
    *,
    assignment: str | None = None,
    secret_file: Path | None = None,
    jobs: int = 1,
    solutions: Path = ROOT / "solutions",
) -> list[dict]:
    """Grade every submission under ``submitted`` into ``out``; returns all results as plain rows.

    Raises :class:`GradeError` when there is nothing to grade or the exercises cannot be released.
    """
    out = out.resolve()
    known = exercise_names(solutions)
    if not submitted.is_dir():
        raise GradeError(f"there is no folder {submitted}")
    if assignment is not None and assignment not in known:
        raise GradeError(f"there is no exercise {assignment!r}; there are {', '.join(known)}")
    submissions, skipped = find_submissions(submitted.resolve(), assignment, known)
    for line in skipped:
        print(f"skipped {line}", file=sys.stderr)
    if not submissions:
        raise GradeError(
            f"no submissions in {submitted}; they lie in <student>/<assignment>/<assignment>.ipynb"
        )
    secret = read_secret(secret_file or out / SECRET_FILE)
    writer = Writer(out)
    try:
        writer.prepare(solutions.resolve(), sorted({submission.assignment for submission in submissions}))
    except ReleaseError as error:
        raise GradeError(f"the exercises could not be released: {error}") from error
    return _grade(writer, submissions, secret, jobs)


def _grade(writer: Writer, submissions: list[Submission], secret: bytes, jobs: int) -> list[dict]:
    everything, rows = [], []
    bar = tqdm(
        judge_all(submissions, writer.out / "release", secret, jobs),
        total=len(submissions),
        desc="grading",
        unit="notebook",
        disable=None,
    )
    for judged in bar:
        bar.set_postfix_str(str(judged.submission))
        rows = reports.write_results(writer.out / "results.jsonl", writer.write(judged))
        everything.append(judged)
        if judged.why:
            tqdm.write(f"ungraded {judged.submission}: {judged.why}", file=sys.stderr)
    for line in writer.feedback(everything):
        print(line, file=sys.stderr)
    reports.write_grades(writer.out / "grades.csv", writer.database, rows)
    return rows


def main(argv: list[str] | None = None) -> int:
    """The ``course grade`` command."""
    parser = argparse.ArgumentParser(
        prog="course grade", description="Grade a class into nbgrader's gradebook."
    )
    parser.add_argument(
        "submitted", type=Path, help="a folder with <student>/<assignment>/<assignment>.ipynb"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="where gradebook, feedback and grades.csv go"
    )
    parser.add_argument("--assignment", metavar="NAME", help="grade only this one")
    parser.add_argument(
        "--seed-file", type=Path, metavar="FILE", help="the grader's secret (made in DIR if not given)"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="submissions at a time (1)")
    parser.add_argument("--solutions", type=Path, default=ROOT / "solutions", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.jobs < 1:
        parser.error("--jobs is at least 1")
    try:
        grade_class(
            options.submitted,
            options.out,
            assignment=options.assignment,
            secret_file=options.seed_file,
            jobs=options.jobs,
            solutions=options.solutions,
        )
    except (GradeError, ValueError) as error:
        print(f"course grade: {error}", file=sys.stderr)
        return 1
    grades = options.out / "grades.csv"
    print(grades.read_text(encoding="utf-8"), end="")
    print(f"\nwritten: {grades}, {options.out / 'results.jsonl'}, {options.out / 'feedback'}/")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`course feedback DIR`: the learners' pages once more, from the gradebook as it is now.

`course grade` writes them as soon as it has marked. What a person gives afterwards,
points and comments, is in the
gradebook alone: this puts it on the pages, nbgrader's and ours, and into grades.csv. Nothing is graded again.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

from tqdm import tqdm

from course_utils.grading.desk.arguments import add_class_folder
from course_utils.grading.gradebook import reports
from course_utils.grading.gradebook.alone import Busy, only_writer
from course_utils.grading.gradebook.attempts import AttemptStore, settle_class
from course_utils.grading.gradebook.place import database, why_no_marks
from course_utils.grading.gradebook.policy import PolicyError
from course_utils.grading.gradebook.writer import WriteError, Writer
from course_utils.grading.run.journal import Entry, Journal

PARTS = 4  # for each process: one that is slow holds up nobody, and few read nbgrader's templates anew


class FeedbackError(Exception):
    """No page can be written; the message says what to do."""


def write_pages(
    out: Path, exercise: str | None = None, students: Collection[str] = (), jobs: int = 1
) -> tuple[list[Entry], list[str]]:
    """Write the pages of every graded submission of a class anew, of `students` only if there are any, `jobs`
    at a time; returns these and a line for each that failed.

    Raises:
        FeedbackError: where nothing is graded, or nothing of `exercise` or of one of `students`.
        Busy: while somebody else writes into the folder.
    """
    if why := why_no_marks(out):
        raise FeedbackError(why)
    with only_writer(out):
        settle_class(out)
        wanted = _wanted(out, exercise, students)
        with Writer(out).open() as writer:
            writer.follow_policy()
        made = _side_by_side(out, wanted, jobs) if jobs > 1 else _in_turn(out, wanted)
        failed = [fault for fault in tqdm(made, "pages", len(wanted), unit="page", disable=None) if fault]
    return wanted, failed


def _wanted(out: Path, exercise: str | None, students: Collection[str]) -> list[Entry]:
    """What is graded of an exercise and of some students, or of all; raises `FeedbackError` for nothing."""
    entries = list(Journal(out / "journal"))
    wanted = [entry for entry in entries if exercise in (None, entry.exercise)]
    if not wanted:
        known = ", ".join(sorted({entry.exercise for entry in entries})) or "nothing"
        raise FeedbackError(f"nothing is graded of {exercise or 'any exercise'}; there is {known}")
    if unknown := sorted(set(students) - {entry.student for entry in wanted}):
        raise FeedbackError(f"nothing is graded of {unknown[0]}; see {out / 'grades.csv'} for who there is")
    return [entry for entry in wanted if not students or entry.student in students]


def _in_turn(out: Path, entries: list[Entry]) -> Iterator[str]:
    """Write pages; for each, why it failed, or "". The gradebook is only read."""
    attempts = AttemptStore(out)
    with Writer(out).open() as writer:
        writer.read_policy()
        for entry in entries:
            try:
                writer.write_feedback(entry, attempts.note(entry))
                yield ""
            except Exception as error:
                yield f"{entry.student} {entry.exercise}: {error}"


def _side_by_side(out: Path, entries: list[Entry], jobs: int) -> Iterator[str]:
    """The same in processes of their own, a part of the entries each at a time."""
    tqdm.monitor_interval = 0  # no thread of its own: processes are forked
    size = math.ceil(len(entries) / (PARTS * jobs))
    parts = [entries[start : start + size] for start in range(0, len(entries), size)]
    with ProcessPoolExecutor(min(jobs, len(parts)), get_context("fork")) as pool:
        for part, done in [(part, pool.submit(_part, out, part)) for part in parts]:
            try:
                yield from done.result()
            except BrokenProcessPool:  # one was killed, for memory perhaps
                yield from (f"{entry.student} {entry.exercise}: its process ended" for entry in part)


def _part(out: Path, entries: list[Entry]) -> list[str]:
    return list(_in_turn(out, entries))


def main(argv: list[str] | None = None) -> int:
    """The `course feedback` command; exit code 0 when every page was written."""
    parser = argparse.ArgumentParser(prog="course feedback", description=__doc__.splitlines()[0])
    add_class_folder(parser)
    parser.add_argument("--exercise", metavar="NAME", help="only this exercise")
    parser.add_argument(
        "--student", metavar="NAME", action="append", default=[], help="only this student; may be repeated"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="how many pages at a time (1)")
    options = parser.parse_args(argv)
    if options.jobs < 1:
        parser.error("--jobs takes a whole number from 1")
    out = options.out.resolve()
    try:
        written, failed = write_pages(out, options.exercise, options.student, options.jobs)
    except (FeedbackError, PolicyError, Busy, WriteError) as error:
        print(f"course feedback: {error}", file=sys.stderr)
        return 1
    results = reports.read_results(out / "results.jsonl")
    of_interest = {(entry.student, entry.exercise) for entry in written}
    for row in reports.write_grades(out, database(out), results):
        if row["status"] == "needs a person" and (row["student"], row["exercise"]) in of_interest:
            print(f"waits for a person: {row['student']} {row['exercise']}")
    for line in failed:
        print(f"no page for {line}", file=sys.stderr)
    print(f"{len(written) - len(failed)} pages in {options.out / 'feedback'}/")
    return 1 if failed else 0

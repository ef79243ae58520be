"""`course grade SUBMITTED --out DIR`: grade a class into nbgrader's gradebook.

`DIR` becomes an nbgrader course folder: source, release, submitted (cleaned),
autograded and feedback, gradebook.db, and a nbgrader_config.py with which formgrader
and the exporters work there. A submission that cannot be graded is "ungraded" with
its reason; nothing that is wrong with one stops the rest. Killed at any moment, the
same command with `--resume` goes on.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from nbformat import NotebookNode
from sqlalchemy.exc import SQLAlchemyError
from tqdm import tqdm

from course_utils.checks.framework import load_exercise
from course_utils.grading.gradebook import reports
from course_utils.grading.gradebook.alone import Busy, only_writer
from course_utils.grading.gradebook.attempts import Attempt, AttemptStore, Settlement, keep, write_exchanged
from course_utils.grading.gradebook.changes import MarkChange, changes, listed, only
from course_utils.grading.gradebook.nbgrader_steps import SECRET_FILE, read_secret
from course_utils.grading.gradebook.policy import PolicyError, read_policy, unknown_extensions
from course_utils.grading.gradebook.release import ReleaseError, exercise_names
from course_utils.grading.gradebook.students import STUDENT, read_draws_as
from course_utils.grading.gradebook.writer import WriteError, Writer, handed_in
from course_utils.grading.run import batch, executor
from course_utils.grading.run.batch import Engine, Grader, Outcome, Submission
from course_utils.grading.run.journal import Entry, Journal
from course_utils.grading.run.reading import EARLIER
from course_utils.grading.run.warm import CHOICES, SandboxError
from course_utils.grading.sandbox.confine import Caps
from course_utils.install import ROOT
from course_utils.near import nearest

#: By sandbox, what it cannot do for a user who is not root.
WITHOUT_ROOT = {
    "bwrap": "learners' code has your user id, in namespaces of its own that hold nothing else of yours",
    "container": "learners' code has your user id, and Landlock and seccomp alone keep it from your files",
}
AGAIN = "make room, if the disk is full, and go on with the same command and --resume"


class GradeError(Exception):
    """The whole run cannot go on; the message says what to do."""


def find_submissions(
    submitted: Path, wanted: str | None, known: list[str], names: Mapping[str, str] = MappingProxyType({})
) -> tuple[list[Submission], list[str]]:
    """All submissions in nbgrader's layout, and a line for each folder that is none. `names`: what a
    student's draws hang on, where it is another name (see `students`).
    """
    found, skipped = [], []
    for student in sorted(path for path in submitted.iterdir() if not path.name.startswith(".")):
        if student.is_symlink() or not student.is_dir() or not STUDENT.match(student.name):
            skipped.append(f"{student.name!r}: not a student's folder")
            continue
        for folder in sorted(path for path in student.iterdir() if not path.name.startswith(".")):
            if wanted is not None and folder.name != wanted:
                continue
            if folder.is_symlink() or not folder.is_dir() or folder.name not in known:
                skipped.append(f"{student.name}/{folder.name!r}: no exercise of that name")
            else:
                drawn = names.get(student.name, student.name)
                found.append(Submission(student.name, load_exercise(folder.name), folder, drawn))
    return found, skipped


class Grading:
    """One run over a class: who is graded, what is written, what is left to do."""

    def __init__(self, out: Path, grader: Grader, questions: frozenset[str] = frozenset()) -> None:
        self.writer = Writer(out)
        self.journal = Journal(out / "journal")
        self.grader = grader
        self.questions = questions  # the only ones that are marked anew; all, where there are none
        self.done: list[Entry] = []
        self.attempts = AttemptStore(out)
        self.exchanged: list[Entry] = []  # attempts that count now, and did not before
        self.first: dict[tuple[str, str], Entry | None] = {}  # what counted before this run
        self.changed: dict[tuple[str, str], list[MarkChange]] = {}
        self.missing: list[str] = []  # what could not be written, and why

    def grade(self, submissions: list[Submission], engine: Engine, resume: bool) -> None:
        """Grade and write every submission; with `resume`, what the journal
        holds already is only written.
        """
        if not resume:
            for submission in submissions:
                self._grade_anew(submission)
        kept, wanted = self._sorted_out(submissions)
        pace = Pace(len(wanted))
        with self.writer.open(), self._bar(len(submissions), len(kept)) as bar:
            for entry in kept:
                self._write(entry)
            for outcome in engine.grade_all(wanted, self.grader, _announce):
                bar.set_postfix_str(str(outcome.submission), refresh=False)
                if (entered := self._entered(outcome)) is not None:
                    self._write(entered)
                bar.update()
                if bar.disable and (line := pace.another()):
                    print(line, file=sys.stderr, flush=True)
            self._settle()

    def _grade_anew(self, submission: Submission) -> None:
        key = submission.student, submission.exercise.name
        if not submission.earlier:
            self.journal.grade_anew(*key)
        attempt = self.attempts.find(*key, self.grader.stamp(submission).submission)
        if attempt is not None:
            self.attempts.put(replace(attempt, entry=replace(attempt.entry, again=True)))

    def _settle(self) -> None:
        """Let the attempt count that the policy says, where somebody has several."""
        settlement = Settlement(self.writer, self.journal)
        for before, after in settlement.settle():
            key = after.student, after.exercise
            found = list(changes(self.first.get(key, before), after))
            if key not in self.first:  # nothing was graded; the policy, or a person's mark, chose
                found = [replace(one, why="another attempt counts") for one in found]
            self.changed[key] = found
            self.exchanged.append(after)
        self.missing += settlement.failed

    def _bar(self, total: int, kept: int) -> tqdm:
        tqdm.monitor_interval = 0  # no thread of its own: grading processes are forked while the bar runs
        return tqdm(total=total, initial=kept, desc="grading", unit="notebook", disable=None)

    def _sorted_out(self, submissions: list[Submission]) -> tuple[list[Entry], list[Submission]]:
        """What an earlier run has graded, from the same submission, seed and
        checks; and what is to be graded.
        """
        kept, wanted = [], []
        for submission in submissions:
            entry = self.journal.find(submission.student, submission.exercise.name)
            stamp = self.grader.stamp(submission)
            attempt = self.attempts.find(submission.student, submission.exercise.name, stamp.submission)
            if entry is not None and not entry.again and entry.oldest == stamp:
                kept.append(entry)
            elif attempt is None or attempt.entry.again or attempt.entry.oldest != stamp:
                wanted.append(submission)
        return kept, wanted

    def _entered(self, outcome: Outcome) -> Entry | None:
        """What is to be written of an outcome: nothing of an attempt that another one stands in front of."""
        submission, graded = outcome.submission, outcome.graded
        assert isinstance(submission, Submission), "an engine gives back what it was given"
        key = submission.student, submission.exercise.name
        standing = self.journal.find(*key)
        self.first.setdefault(key, standing)
        same = standing is not None and standing.stamp.submission == outcome.stamp.submission
        attempt = None if same else self.attempts.find(*key, outcome.stamp.submission)
        before = attempt.entry if attempt else standing
        entry = Entry(
            student=submission.student,
            exercise=submission.exercise.name,
            stamp=outcome.stamp,
            reports=graded.reports,
            notebook=graded.notebook,
            seconds=round(graded.seconds, 2),
            cells=round(graded.cells, 2),
            learner=round(graded.used.seconds, 2),
            own=round(graded.own, 2),
            memory=graded.used.memory,
            sandbox=graded.sandbox or self.grader.sandbox,
            handed_in=_handed_in(submission),
            why=outcome.why,
            again=outcome.again,
            unchanged=same,
            turn=self._turn(submission, outcome.stamp.submission, standing),
        )
        entry = only(self.questions, before, entry)
        if attempt and entry.notebook is None:  # its marks are kept: they have no places of their own yet
            entry.notebook = attempt.entry.notebook
        if submission.earlier and not same:
            self.attempts.put(Attempt(entry, attempt.by_hand if attempt else {}))
            return None
        self.changed[key] = list(changes(self.first[key], entry))
        if outcome.why and not entry.why:
            tqdm.write(
                f"{submission} was not marked anew, and keeps its marks: {outcome.why}", file=sys.stderr
            )
        try:
            if standing is not None and not same:
                keep(self.attempts, self.writer, standing, entry)
            self.journal.put(entry)
        except OSError as error:  # its marks are written all the same; `--resume` grades it once more
            self._miss(entry, "its line in the journal", error)
        return entry

    def _turn(self, submission: Submission, digest: str, standing: Entry | None) -> int:
        """The place of an attempt among a learner's: what lies in the learner's folder is the last."""
        known = [one.entry for one in self.attempts.of(submission.student, submission.exercise.name)]
        turns = {one.stamp.submission: one.turn for one in [*known, *([standing] if standing else [])]}
        own = turns.pop(digest, 0)
        return own if submission.earlier else max(own, 1 + max(turns.values(), default=0))

    def _miss(self, entry: Entry, what: str, error: object) -> None:
        self.missing.append(f"{entry.student} {entry.exercise}: {what} ({error})")

    def _write(self, entry: Entry) -> None:
        """Bring an entry to its places, unless it is there already."""
        if entry.notebook is not None:
            begun = time.process_time()
            try:
                self.writer.write(entry)
            except WriteError as error:
                self._miss(entry, "its marks and notebooks", error)
                entry = self._unwritten(entry, entry.notebook, str(error))
            whole = self._feedback(entry)
            entry.own = round(entry.own + time.process_time() - begun, 2)
            if whole:  # else `--resume` finds the notebook in the journal, and writes everything again
                self._noted(entry)
        for line in entry.unmarked:
            tqdm.write(f"{entry.student} {entry.exercise} {line}", file=sys.stderr)
        entry.notebook = None
        self.done.append(entry)

    def _unwritten(self, entry: Entry, graded: NotebookNode, fault: str) -> Entry:
        """No mark may be left over from before, and none may be made up."""
        entry.why, entry.again = f"the marks could not be written ({fault})", True
        exercise = load_exercise(entry.exercise)
        stand_in = executor.ungraded(graded, exercise, entry.why)
        entry.reports, entry.notebook = stand_in.reports, stand_in.notebook
        return entry

    def _feedback(self, entry: Entry) -> bool:
        """Whether the pages could be written."""
        try:
            self.writer.write_feedback(entry, self.attempts.note(entry))
        except Exception as error:
            self._miss(entry, "its pages", error)
            return False
        return True

    def _noted(self, entry: Entry) -> None:
        try:
            self.journal.written(entry)
        except OSError as error:
            self._miss(entry, "in the journal, that all of it is written", error)

    def results(self) -> list[reports.QuestionResult]:
        """One result a question, of everything this run has brought to its place."""
        return [result for entry in self.done for result in reports.results_of(entry)]

    @property
    def changes(self) -> list[MarkChange]:
        """What this run changed, of the attempts that count."""
        return [change for found in self.changed.values() for change in found]


class Pace:
    """How far a run is, in a line now and then, where nobody sees a bar: in a log, or a cluster's job."""

    def __init__(self, total: int, every: float = 60.0, now: Callable[[], float] = time.monotonic) -> None:
        self._total, self._every, self._now = total, every, now
        self._done, self._begun, self._last = 0, now(), now()

    def another(self) -> str:
        """Note that one more is done; the line that is due, with the rate and the time left, or ""."""
        self._done += 1
        now = self._now()
        if self._done == 1:
            self._begun = now  # what comes before the first is the warm-up
        if now < self._last + self._every or self._done < 2:
            return ""
        self._last = now
        rate = (self._done - 1) / max(now - self._begun, 1e-9)
        minutes = (self._total - self._done) / rate / 60
        return f"{self._done} of {self._total} graded, {60 * rate:.1f} a minute, {minutes:.0f} minutes left"


def _handed_in(submission: Submission) -> str | None:
    """When a submission came; a time that nobody can read penalises nobody, and is said."""
    try:
        return handed_in(submission.folder)
    except ValueError as error:
        tqdm.write(f"{submission}: nobody knows when it came, so it is not late: {error}", file=sys.stderr)
        return None


def _announce(level: str, reached: dict[str, str]) -> None:
    """Say which sandbox stands, and what was tried to get through it."""
    tqdm.write(
        f"sandbox: {level}" + ("" if reached else ", as asked: learners' code runs as you"), file=sys.stderr
    )
    for claim in reached:
        tqdm.write(f"  held: {claim}", file=sys.stderr)
    if reached and os.getuid():
        tqdm.write(f"  not root: {WITHOUT_ROOT[level.split()[0]]}", file=sys.stderr)


def grade_class(
    submitted: Path,
    out: Path,
    *,
    exercise: str | None = None,
    secret_file: Path | None = None,
    jobs: int = 1,
    engine: Engine | None = None,
    solutions: Path = ROOT / "solutions",
    sandbox: str = "auto",
    resume: bool = False,
    students: Collection[str] = (),
    questions: Collection[str] = (),
    leave_out: bool = False,
) -> list[dict]:
    """Grade every submission under `submitted` into `out`, those of `students` only if there are any; returns
    all results as plain rows. With `questions`, only these are marked anew. Without an `engine` it is this
    machine that grades, `jobs` at a time. `leave_out`: see `Grader`.

    Raises `GradeError` when there is nothing to grade, fetched files are missing, the exercises cannot be
    released, no sandbox of the kind asked for holds, or not everything could be written (it
    names what), and `Busy` while another run writes there.
    """
    submitted, out, solutions = submitted.resolve(), out.resolve(), solutions.resolve()
    if submitted == out / "submitted":
        raise GradeError(
            f"{submitted} is where the graded copies go: what was handed in has to lie elsewhere. "
            "From nbgrader's exchange: nbgrader collect … --CourseDirectory.submitted_directory=collected"
        )
    submissions = _of(students, _wanted(submitted, exercise, exercise_names(solutions), read_draws_as(out)))
    _known_questions(questions, submissions)
    if not leave_out:
        _fetched(submissions)
    names = sorted({submission.exercise.name for submission in submissions})
    with only_writer(out):
        policy = read_policy(out)  # what is wrong in it is said before anything is graded
        submissions += [
            earlier
            for submission in submissions
            if policy.best_counts(submission.exercise.name)
            for earlier in _earlier(submission)
        ]
        secret_file = (secret_file or out / SECRET_FILE).resolve()
        secret = read_secret(secret_file)
        try:
            Writer(out).prepare(solutions, names)
        except ReleaseError as error:
            raise GradeError(f"the exercises could not be released: {error}") from error
        imports = _imports(out / "release", names)
        secrets = (submitted, out, secret_file, solutions, ROOT / "course_utils" / "checks" / "framework.py")
        grader = Grader(
            out / "release",
            secret,
            sandbox,
            imports,
            tuple(map(str, secrets)),
            Caps(memory=batch.fair_memory(jobs)),
            leave_out=leave_out,
        )
        engine = engine or batch.LocalEngine(jobs)
        with engine.prepared(imports, names):
            return _grade(Grading(out, grader, frozenset(questions)), submissions, engine, resume)


def _wanted(
    submitted: Path, exercise: str | None, known: list[str], names: Mapping[str, str]
) -> list[Submission]:
    if not submitted.is_dir():
        raise GradeError(f"there is no folder {submitted}")
    if exercise is not None and exercise not in known:
        raise GradeError(f"there is no exercise {exercise!r}; there are {', '.join(known)}")
    try:
        submissions, skipped = find_submissions(submitted, exercise, known, names)
    except LookupError as error:
        raise GradeError(f"an exercise has no checks: {error}") from error
    for line in skipped:
        print(f"skipped {line}", file=sys.stderr)
    if not submissions:
        raise GradeError(f"no submissions in {submitted}; they lie in <student>/<exercise>/<exercise>.ipynb")
    return submissions


def _earlier(submission: Submission) -> Iterator[Submission]:
    """What a learner handed in before, as `course collect` keeps it beside what came last."""
    folder = submission.folder / EARLIER
    if folder.is_dir() and not folder.is_symlink():
        for place in sorted(folder.iterdir()):
            if place.is_dir() and not place.is_symlink():
                yield replace(submission, folder=place, earlier=True)


def _of(students: Collection[str], submissions: list[Submission]) -> list[Submission]:
    """The submissions of some students; all, where none are named."""
    known = {submission.student for submission in submissions}
    if unknown := [student for student in students if student not in known]:
        near = nearest(unknown[0], known)
        raise GradeError(
            f"{unknown[0]!r} has handed in nothing here" + (f"; did you mean {near!r}?" if near else "")
        )
    return [submission for submission in submissions if not students or submission.student in students]


def _known_questions(questions: Collection[str], submissions: list[Submission]) -> None:
    exercises = {submission.exercise.name: submission.exercise for submission in submissions}
    if questions and len(exercises) != 1:
        raise GradeError(f"--question needs to know of which: --exercise {' or '.join(sorted(exercises))}")
    for question in questions:
        try:
            next(iter(exercises.values())).find(question)
        except KeyError as error:
            raise GradeError(error.args[0]) from error


def _fetched(submissions: list[Submission]) -> None:
    """Raise `GradeError` where a question works on files of `course fetch` that are not on this machine."""
    exercises = {submission.exercise.name: submission.exercise for submission in submissions}
    asked = [question for each in exercises.values() for question in each.questions.values()]
    lacking = [question for question in asked if question.lacks]
    if lacking:
        names = ", ".join(f"{question.exercise} {question.name}" for question in lacking)
        files = ", ".join(sorted({name for question in lacking for name in question.lacks}))
        raise GradeError(
            f"{names}: judged on files that are not on this machine ({files}). Run `course fetch` here, then "
            "the same command; or, where not everybody could have them, add --leave-out-fetched: everybody "
            "gets these points, and the reports say so"
        )


def _imports(release: Path, names: list[str]) -> tuple[str, ...]:
    notebooks = [executor.read_released(release / name / f"{name}.ipynb") for name in names]
    return tuple(dict.fromkeys(line for notebook in notebooks for line in batch.imports_of(notebook)))


def _grade(grading: Grading, submissions: list[Submission], engine: Engine, resume: bool) -> list[dict]:
    out = grading.writer.out
    try:
        grading.grade(submissions, engine, resume)
    except SandboxError as error:
        raise GradeError(str(error)) from error
    rows = reports.write_results(out / "results.jsonl", grading.results(), grading.questions)
    if grading.exchanged:
        rows = write_exchanged(out, grading.exchanged)
    reports.write_grades(out, grading.writer.database, rows)
    reports.write_changes(out / "changes.csv", grading.changes)
    known = {submission.student for submission in submissions} | {str(row["student"]) for row in rows}
    for line in unknown_extensions(read_policy(out), known):
        print(line, file=sys.stderr)
    for line in listed(grading.changes):
        print(line, file=sys.stderr)
    if grading.missing:
        raise GradeError("\n  ".join(["not everything could be written:", *grading.missing, AGAIN]))
    return rows


def main(argv: list[str] | None = None) -> int:
    """The `course grade` command; exit code 0 when every submission has a result, faulty ones included, and
    everything is written.
    """
    parser = argparse.ArgumentParser(
        prog="course grade", description="Grade a class into nbgrader's gradebook."
    )
    parser.add_argument("submitted", type=Path, help="submitted/<student>/<exercise>/<exercise>.ipynb")
    parser.add_argument("--out", type=Path, required=True, help="the class's folder; made if it is not there")
    parser.add_argument("--exercise", metavar="NAME", help="only this exercise")
    parser.add_argument(
        "--student", metavar="NAME", action="append", default=[], help="only this student's; may be repeated"
    )
    parser.add_argument(
        "--question",
        metavar="q1",
        action="append",
        default=[],
        help="mark only this question anew, and leave the other marks as they are; may be repeated",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="how many at a time (1); with --engine ray, on each node (as many as it has processors)",
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="who grades: this machine (local), or a Ray cluster",
    )
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="the Ray cluster, as seen from a machine of it (RAY_ADDRESS; else one is started here)",
    )
    parser.add_argument(
        "--seed-file", type=Path, help=f"the grader's secret (DIR/{SECRET_FILE}, made on first use)"
    )
    parser.add_argument(
        "--sandbox",
        choices=CHOICES,
        default="auto",
        help="the sandbox around learners' code: the best that holds (auto), or this one and no other",
    )
    parser.add_argument(
        "--leave-out-fetched",
        action="store_true",
        help="give everybody the points of questions on files of `course fetch`",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on where a run into the same folder was stopped"
    )
    parser.add_argument("--solutions", type=Path, default=ROOT / "solutions", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.jobs is not None and options.jobs < 1:
        parser.error("--jobs takes a whole number from 1")
    if options.address and options.engine != "ray":
        parser.error("--address is for --engine ray")
    try:
        grade_class(
            options.submitted,
            options.out,
            exercise=options.exercise,
            secret_file=options.seed_file,
            jobs=options.jobs or 1,
            engine=_on_a_cluster(options.address, options.jobs) if options.engine == "ray" else None,
            solutions=options.solutions,
            sandbox=options.sandbox,
            resume=options.resume,
            students=options.student,
            questions=options.question,
            leave_out=options.leave_out_fetched,
        )
    except (GradeError, PolicyError, Busy, ValueError) as error:
        print(f"course grade: {error}", file=sys.stderr)
        return 1
    except (OSError, SQLAlchemyError) as error:
        print(f"course grade: {_fault(error)}; {AGAIN}", file=sys.stderr)
        return 1
    grades = options.out / "grades.csv"
    print(_lines_of(grades.read_text(encoding="utf-8"), options.student), end="")
    print(f"\nwritten: {grades}, {options.out / 'results.jsonl'}, {options.out / 'feedback'}/")
    return 0


def _lines_of(table: str, students: Collection[str]) -> str:
    """The head of a table and the lines of some students; all of it, where none are named."""
    head, *lines = table.splitlines(keepends=True)
    wanted = {f"{reports.spreadsheet_text(student)}," for student in students}
    return head + "".join(line for line in lines if not wanted or line.startswith(tuple(wanted)))


def _on_a_cluster(address: str | None, jobs: int | None) -> Engine:
    """The engine that grades on a Ray cluster; raises `GradeError` where its package is not installed."""
    if find_spec("ray") is None:
        raise GradeError(
            "--engine ray needs the package ray, here and on each node: "
            'pip install -c constraints.txt "course-workbook[grading,ray]"'
        )
    if not (address or os.environ.get("RAY_ADDRESS")):
        # A cluster of this machine alone stays on 127.0.0.1; Ray looks at this when it is imported.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    from course_utils.grading.run.ray_engine import RayEngine

    return RayEngine(address, jobs, lambda text: tqdm.write(text, file=sys.stderr))


def _fault(error: OSError | SQLAlchemyError) -> str:
    """What could not be read or written, in a sentence."""
    if isinstance(error, OSError):
        place = f"{error.filename} " if error.filename else "the class's folder "
        return f"{place}could not be written or read ({error.strerror or error})"
    return f"the gradebook could not be written or read ({getattr(error, 'orig', error)})"


if __name__ == "__main__":
    sys.exit(main())

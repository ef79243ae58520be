"""Grade many submissions side by side, in processes of our own.

Each has its own warm process, so nothing is shared but the machine. What fails by no fault
of the submission's own (a grading process that dies, a child that does not start) is tried
once more; what fails twice is ungraded, and the rest goes on.
"""

from __future__ import annotations

import ast
import contextlib
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing import connection, get_context
from pathlib import Path

import psutil
from nbformat import NotebookNode

from course_utils.checks.framework import Exercise
from course_utils.grading.run import executor, journal
from course_utils.grading.run.executor import Clocks, Graded, Unstarted
from course_utils.grading.run.fair_clock import MOST
from course_utils.grading.run.journal import Stamp
from course_utils.grading.run.placing import statements
from course_utils.grading.run.reading import NeedsAPerson, Ungradable, instead_of, read_submission
from course_utils.grading.run.warm import STACK, Nursery, SandboxError
from course_utils.grading.sandbox.confine import Caps, die_with_parent

TRIES, FALSE_STARTS = 2, 5
PATIENCE_SECONDS = 20.0
GRACE_SECONDS = 900.0  # of our own work on a submission, beyond the learner's clock
_LIGHT = frozenset("copy itertools json math os random re string sys time collections functools".split())


@dataclass(frozen=True)
class Submission:
    """Who handed in what: `SUBMITTED/<student>/<exercise>/`.

    `draws_as`: the name that the learner's draws hang on, where it is not the student's. `earlier`: an
    attempt before the last.
    """

    student: str
    exercise: Exercise
    folder: Path
    draws_as: str = ""
    earlier: bool = False

    def __str__(self) -> str:
        return f"{self.student} {self.exercise.name}"

    @property
    def notebook(self) -> Path:
        """Where its notebook should lie."""
        return self.folder / f"{self.exercise.name}.ipynb"

    def released(self, release: Path) -> Path:
        """The notebook that its learner began from."""
        return release / self.exercise.name / f"{self.exercise.name}.ipynb"


@dataclass(frozen=True)
class Outcome:
    """A submission and what came of it.

    `why` says why it is ungraded, or for a person to look at, if it is; `again` that this was
    a fault of ours, which another run may not meet.
    """

    submission: Submission
    graded: Graded
    stamp: Stamp
    why: str = ""
    again: bool = False


@dataclass(frozen=True)
class Grader:
    """What a grading process needs to know; the secret never goes further than here."""

    release: Path
    secret: bytes
    sandbox: str = "auto"
    imports: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    caps: Caps = field(default_factory=Caps)
    total_seconds: float = Clocks.total

    @cached_property
    def _checks(self) -> dict[str, str]:
        """The version of each exercise's checks, found once: the code of a run
        is loaded and stays as it is.
        """
        return {}

    def stamp(self, submission: Submission) -> Stamp:
        """What a mark of this submission is made from."""
        name = submission.exercise.name
        if name not in self._checks:
            released = submission.released(self.release)
            self._checks[name] = journal.checks_version(submission.exercise, released)
        return Stamp(
            journal.submission_hash(submission.notebook, submission.folder / "timestamp.txt"),
            self._checks[name],
            journal.seed_id(self.secret),
        )

    def grade(self, submission: Submission, nursery: Nursery) -> Outcome:
        """Run and grade one submission; never raises for what is in it."""
        exercise, stamp = submission.exercise, self.stamp(submission)
        released = executor.read_released(submission.released(self.release))
        again = False
        try:
            submitted = read_submission(notebook_of(submission))
            keys = executor.secret_keys(self.secret, submission.draws_as or submission.student)
            clocks = Clocks(cell=exercise.cell_seconds, total=self.total_seconds)
            # what can't be placed raises before anything is started
            graded = executor.grade(released, submitted, exercise, keys, clocks, nursery=nursery)
            return Outcome(submission, graded, stamp)
        except NeedsAPerson as error:
            return self.unable(submission, str(error), person=True)
        except Unstarted as error:
            why, again = str(error), True
        except Ungradable as error:
            return self.unable(submission, str(error))
        except Exception as error:  # a fault of ours: say so, and go on with the next
            why, again = f"the grader failed ({type(error).__name__}: {str(error)[:300]})", True
        return self.unable(submission, why, again)

    def unable(
        self, submission: Submission, why: str, again: bool = False, *, person: bool = False
    ) -> Outcome:
        """What stands in for a submission without marks; `person`: a person can grade it."""
        released = executor.read_released(submission.released(self.release))
        graded = executor.ungraded(released, submission.exercise, why, person)
        return Outcome(submission, graded, self.stamp(submission), why, again)


def notebook_of(submission: Submission) -> Path:
    """Where a submission's notebook lies; raises `Ungradable` if there is none of that name,
    and `NeedsAPerson` if it was downloaded as something else.
    """
    path = submission.notebook
    if not path.exists():
        if instead := instead_of(path):
            raise NeedsAPerson(f"there is no notebook {path.name}; there is {instead}")
        others = sorted(other.name for other in submission.folder.glob("*.ipynb"))
        found = f"; there is {others[0]}" if others else ""
        raise Ungradable(f"there is no notebook {path.name}{found}")
    return path


def imports_of(notebook: NotebookNode) -> tuple[str, ...]:
    """What to import before a notebook's learners come: its own import lines, and the
    whole stack if it wants any of it.

    Only the cells that learners cannot change are looked at.
    """
    lines = []
    for cell in notebook.cells:
        if cell.cell_type != "code" or "nbgrader" in cell.metadata:
            continue
        with contextlib.suppress(SyntaxError):
            lines += [ast.unparse(node) for node in statements(cell.source) if _imports(node)]
    roots = {line.split()[1].split(".")[0].rstrip(",") for line in lines}
    return (*(STACK if roots - _LIGHT else ()), *dict.fromkeys(lines))


def _imports(node: ast.AST) -> bool:
    return isinstance(node, (ast.Import, ast.ImportFrom))


def fair_memory(jobs: int) -> int:
    """Bytes that a submission may hold when `jobs` run at once: 4 GB, less where the machine has less."""
    share = int(0.8 * psutil.virtual_memory().total / jobs)
    return max(2**30, min(Caps.memory, share))


class _GradingProcess:
    """One grading process, as the one that hands out the work sees it."""

    def __init__(self, grader: Grader) -> None:
        context = get_context("fork")
        self.wire, theirs = context.Pipe()
        self.child = context.Process(target=_serve, args=(theirs, grader), daemon=False)
        self.child.start()
        theirs.close()
        self.task: tuple[Submission, int] | None = None
        self.deadline = float("inf")

    def give(self, task: tuple[Submission, int], seconds: float) -> None:
        self.task, self.deadline = task, time.monotonic() + seconds
        self.wire.send(task[0])

    def end(self, patience: float = 0.0) -> None:
        """Have it end: of itself within `patience` seconds, or by force."""
        with contextlib.suppress(OSError):
            self.wire.send(None)
        self.child.join(patience)
        self.child.kill()
        self.child.join()
        self.wire.close()


def _serve(wire: connection.Connection, grader: Grader) -> None:
    """A grading process: put the sandbox up and say so, then grade what comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):  # AttributeError: not Linux
        die_with_parent()
    nursery = Nursery(grader.sandbox, grader.imports, grader.secrets, grader.caps)
    try:
        nursery.open()
    except SandboxError as error:
        wire.send(("no sandbox", str(error), {}))
        return
    wire.send(("ready", nursery.level, nursery.reached))
    while (submission := wire.recv()) is not None:
        wire.send(("graded", grader.grade(submission, nursery), {}))
    nursery.close()


def grade_all(
    submissions: list[Submission],
    grader: Grader,
    jobs: int,
    say: Callable[[str, dict[str, str]], None] = lambda level, reached: None,
) -> Iterator[Outcome]:
    """Grade submissions, `jobs` at a time, in whatever order they are done.

    `say` is told the sandbox's level and what its canaries reached, as soon as the first
    sandbox stands. Raises `SandboxError` when none can.
    """
    waiting = deque((submission, 1) for submission in submissions)
    processes = [_GradingProcess(grader) for _ in range(min(jobs, len(submissions)))]
    seconds = MOST * grader.total_seconds + GRACE_SECONDS
    said, false_starts = False, 0
    try:
        while processes:
            for process in _ready(processes):
                kind, found, reached = _received(process)
                if kind == "no sandbox":
                    false_starts += 1
                    if not said or false_starts > FALSE_STARTS:
                        raise SandboxError(found)
                    kind = "died"
                if kind == "ready" and not said:
                    said = True
                    say(found, reached)
                if kind == "graded":
                    tries = process.task[1] if process.task else TRIES
                    if found.again and tries < TRIES:
                        waiting.append((found.submission, tries + 1))
                    else:
                        yield found
                    process.task = None
                if kind == "died":
                    processes.remove(process)
                    process.end()
                    yield from _again(process.task, grader, waiting)
                    if waiting:
                        processes.append(_GradingProcess(grader))
                elif waiting:
                    process.give(waiting.popleft(), seconds)
                else:
                    processes.remove(process)
                    process.end(PATIENCE_SECONDS)
    finally:
        for process in processes:
            process.end()


def _ready(processes: list[_GradingProcess]) -> list[_GradingProcess]:
    """The processes that have something to say, or whose time is up."""
    heard = connection.wait([process.wire for process in processes], timeout=5.0)
    late = [
        process for process in processes if process.deadline < time.monotonic() and process.wire not in heard
    ]
    for process in late:
        process.child.kill()
    return [process for process in processes if process.wire in heard]


def _received(process: _GradingProcess) -> tuple:
    try:
        return process.wire.recv()
    except (EOFError, OSError):
        return ("died" if process.task else "no sandbox"), "the grading process ended before it began", {}


def _again(
    task: tuple[Submission, int] | None, grader: Grader, waiting: deque[tuple[Submission, int]]
) -> Iterator[Outcome]:
    """What to do with the submission of a process that died: once more, and then no more."""
    if task is None:
        return
    submission, tries = task
    if tries < TRIES:
        waiting.append((submission, tries + 1))
    else:
        yield grader.unable(submission, "the process that grades it ended, twice", again=True)

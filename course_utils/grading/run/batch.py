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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing import connection, get_context
from pathlib import Path
from typing import Protocol

import psutil
from nbformat import NotebookNode

from course_utils.checks.framework import Exercise, load_exercise
from course_utils.grading.run import executor, journal
from course_utils.grading.run.apart import import_ahead
from course_utils.grading.run.executor import Clocks, Graded, Unstarted
from course_utils.grading.run.fair_clock import MOST
from course_utils.grading.run.forking import forked_often, uncollected
from course_utils.grading.run.journal import Stamp
from course_utils.grading.run.placing import statements
from course_utils.grading.run.reading import NeedsAPerson, Ungradable, content_of, instead_of, read_cells
from course_utils.grading.run.warm import STACK, Nursery, SandboxError
from course_utils.grading.run.zygote import warm_up
from course_utils.grading.sandbox.confine import Caps, die_with_parent

TRIES, FALSE_STARTS = 2, 5
PATIENCE_SECONDS = 20.0
GRACE_SECONDS = 900.0  # of our own work on a submission, beyond the learner's clock
_LIGHT = frozenset("copy itertools json math os random re string sys time collections functools".split())


#: Is told the level of the first sandbox that stands, and what its canaries reached.
Say = Callable[[str, dict[str, str]], None]


@dataclass(frozen=True)
class Work:
    """A student's work on an exercise."""

    student: str
    exercise: Exercise

    def __str__(self) -> str:
        return f"{self.student} {self.exercise.name}"

    @property
    def file_name(self) -> str:
        """What its notebook is called."""
        return f"{self.exercise.name}.ipynb"

    def released(self, release: Path) -> Path:
        """The notebook that its learner began from."""
        return release / self.exercise.name / self.file_name


@dataclass(frozen=True)
class Submission(Work):
    """Who handed in what: `SUBMITTED/<student>/<exercise>/`.

    `draws_as`: the name that the learner's draws hang on, where it is not the student's. `earlier`: an
    attempt before the last.
    """

    folder: Path
    draws_as: str = ""
    earlier: bool = False

    @property
    def notebook(self) -> Path:
        """Where its notebook should lie."""
        return self.folder / self.file_name


@dataclass(frozen=True)
class Task(Work):
    """All that grading one submission takes, and nothing more: its notebook's bytes, the keys that this
    learner's data are drawn from, by question, and what its marks will be made from. No secret, no path.
    `number`: what it goes by on the way to another machine and back.
    """

    content: bytes
    keys: dict[str, bytes]
    stamp: Stamp
    number: int = 0


@dataclass(frozen=True)
class Outcome:
    """A submission, or the task made of it, and what came of it.

    `why` says why it is ungraded, or for a person to look at, if it is; `again` that this was
    a fault of ours, which another run may not meet.
    """

    submission: Submission | Task
    graded: Graded
    stamp: Stamp
    why: str = ""
    again: bool = False


@dataclass(frozen=True)
class Grader:
    """What a grading process needs to know; the secret never goes further than here.

    `leave_out`: give everybody the points of questions on fetched files.
    """

    release: Path
    secret: bytes
    sandbox: str = "auto"
    imports: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    caps: Caps = field(default_factory=Caps)
    total_seconds: float = Clocks.total
    leave_out: bool = False

    @cached_property
    def _checks(self) -> dict[str, str]:
        """The version of each exercise's checks, found once: the code of a run
        is loaded and stays as it is.
        """
        return {}

    def stamp(self, submission: Submission | Task) -> Stamp:
        """What a mark of this submission is made from."""
        if isinstance(submission, Task):
            return submission.stamp
        name = submission.exercise.name
        if name not in self._checks:
            released = submission.released(self.release)
            version = journal.checks_version(submission.exercise, released)
            fetched = any(question.fetched for question in submission.exercise.questions.values())
            self._checks[name] = f"{version}-left-out" if fetched and self.leave_out else version
        return Stamp(
            journal.submission_hash(submission.notebook, submission.folder / "timestamp.txt"),
            self._checks[name],
            journal.seed_id(self.secret),
        )

    def task(self, submission: Submission) -> Task:
        """What somebody needs who grades this submission without the secret and the class's folder.

        Raises `Ungradable` where there is nothing to send.
        """
        key_of = executor.secret_keys(self.secret, submission.draws_as or submission.student)
        keys = {name: key_of(question) for name, question in submission.exercise.questions.items()}
        content = content_of(notebook_of(submission))
        return Task(submission.student, submission.exercise, content, keys, self.stamp(submission))

    def grade(self, submission: Submission | Task, nursery: Nursery) -> Outcome:
        """Run and grade one submission; never raises for what is in it."""
        try:
            task = submission if isinstance(submission, Task) else self.task(submission)
            return Outcome(submission, self._graded(task, nursery), task.stamp)
        except Ungradable as error:
            return self.not_gradable(submission, error)
        except Exception as error:  # a fault of ours: say so, and go on with the next
            why = f"the grader failed ({type(error).__name__}: {str(error)[:300]})"
            return self.unable(submission, why, again=True)

    def _graded(self, task: Task, nursery: Nursery) -> Graded:
        released = executor.read_released(task.released(self.release))
        submitted = read_cells(task.content, task.file_name)
        clocks = Clocks(cell=task.exercise.cell_seconds, total=self.total_seconds)
        # what can't be placed raises before anything is started
        return executor.grade(
            released,
            submitted,
            task.exercise,
            lambda question: task.keys[question.name],
            clocks,
            nursery=nursery,
            leave_out=self.leave_out,
        )

    def not_gradable(self, submission: Submission | Task, error: Ungradable) -> Outcome:
        """What stands in for a submission of which this was said."""
        return self.unable(
            submission,
            str(error),
            isinstance(error, Unstarted),
            person=isinstance(error, NeedsAPerson),
        )

    def unable(
        self, submission: Submission | Task, why: str, again: bool = False, *, person: bool = False
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
        self.task: tuple[Submission | Task, int] | None = None
        self.deadline = float("inf")

    def give(self, task: tuple[Submission | Task, int], seconds: float) -> None:
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


class Pool:
    """Grading processes, `jobs` of them, and the submissions that wait for one.

    `say` is told the sandbox's level and what its canaries reached, as soon as the first sandbox stands.
    """

    def __init__(self, grader: Grader, jobs: int, say: Say) -> None:
        self._grader, self._jobs, self._say = grader, jobs, say
        self._seconds = MOST * grader.total_seconds + GRACE_SECONDS
        self._waiting: deque[tuple[Submission | Task, int]] = deque()
        self._processes = [_GradingProcess(grader) for _ in range(jobs)]
        self._idle: list[_GradingProcess] = []
        self._said, self._false_starts = False, 0

    def put(self, submission: Submission | Task) -> None:
        """Have a submission graded when its turn comes."""
        self._waiting.append((submission, 1))
        if self._idle:
            self._idle.pop().give(self._waiting.popleft(), self._seconds)
        elif len(self._processes) < self._jobs:
            self._processes.append(_GradingProcess(self._grader))

    @property
    def at_work(self) -> bool:
        """Whether something that was put in has not come out."""
        return bool(self._waiting) or any(process.task for process in self._processes)

    def look(self, *others: connection.Connection) -> Iterator[Outcome]:
        """What came of submissions since the last look, after a wait for that or for something on `others`.

        Raises `SandboxError` when no sandbox can be had.
        """
        for process in _ready(self._processes, others):
            yield from self._heard(process)

    def _heard(self, process: _GradingProcess) -> Iterator[Outcome]:
        kind, found, reached = _received(process)
        if kind == "no sandbox":
            self._false_starts += 1
            if not self._said or self._false_starts > FALSE_STARTS:
                raise SandboxError(found)
            kind = "died"
        if kind == "ready" and not self._said:
            self._said = True
            self._say(found, reached)
        if kind == "graded":
            tries = process.task[1] if process.task else TRIES
            if found.again and tries < TRIES:
                self._waiting.append((found.submission, tries + 1))
            else:
                yield found
            process.task = None
        if kind == "died":
            self._processes.remove(process)
            if process in self._idle:
                self._idle.remove(process)
            process.end()
            yield from _again(process.task, self._grader, self._waiting)
            if self._waiting:
                self._processes.append(_GradingProcess(self._grader))
        elif self._waiting:
            process.give(self._waiting.popleft(), self._seconds)
        else:
            self._idle.append(process)

    def close(self) -> None:
        """End what has nothing to do, in peace, and the rest by force."""
        for process in self._idle:
            process.end(PATIENCE_SECONDS)
            self._processes.remove(process)
        self._idle.clear()
        for process in self._processes:
            process.end()
        self._processes.clear()


@contextlib.contextmanager
def ready_to_fork(imports: tuple[str, ...], exercises: Sequence[str]) -> Iterator[None]:
    """Import what the checks of these exercises need, once, before grading processes are forked from here."""
    executor.settle()
    with uncollected():
        warm_up(list(imports))
        for name in exercises:
            for question in load_exercise(name).questions.values():
                import_ahead(question)
    with forked_often():
        yield


class Engine(Protocol):
    """Where submissions are graded."""

    def prepared(
        self, imports: tuple[str, ...], exercises: list[str]
    ) -> contextlib.AbstractContextManager[None]:
        """What has to be done in this process before anything is graded."""

    def grade_all(self, submissions: list[Submission], grader: Grader, say: Say) -> Iterator[Outcome]:
        """Grade submissions, in whatever order they are done; see `grade_all`."""


@dataclass(frozen=True)
class LocalEngine:
    """This machine, `jobs` submissions at a time."""

    jobs: int = 1

    def prepared(
        self, imports: tuple[str, ...], exercises: list[str]
    ) -> contextlib.AbstractContextManager[None]:
        """Import what grading processes, which are forked from this one, need."""
        return ready_to_fork(imports, exercises)

    def grade_all(self, submissions: list[Submission], grader: Grader, say: Say) -> Iterator[Outcome]:
        """Grade submissions on this machine."""
        return grade_all(submissions, grader, self.jobs, say)


def grade_all(
    submissions: list[Submission],
    grader: Grader,
    jobs: int,
    say: Say = lambda level, reached: None,
) -> Iterator[Outcome]:
    """Grade submissions on this machine, `jobs` at a time, in whatever order they are done.

    `say`: see `Pool`. Raises `SandboxError` when no sandbox can be had.
    """
    pool = Pool(grader, min(jobs, len(submissions)), say)
    try:
        for submission in submissions:
            pool.put(submission)
        while pool.at_work:
            yield from pool.look()
    finally:
        pool.close()


def _ready(
    processes: list[_GradingProcess], others: Sequence[connection.Connection] = ()
) -> list[_GradingProcess]:
    """The processes that have something to say, or whose time is up."""
    heard = connection.wait([*others, *(process.wire for process in processes)], timeout=5.0)
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
    task: tuple[Submission | Task, int] | None,
    grader: Grader,
    waiting: deque[tuple[Submission | Task, int]],
) -> Iterator[Outcome]:
    """What to do with the submission of a process that died: once more, and then no more."""
    if task is None:
        return
    submission, tries = task
    if tries < TRIES:
        waiting.append((submission, tries + 1))
    else:
        yield grader.unable(submission, "the process that grades it ended, twice", again=True)

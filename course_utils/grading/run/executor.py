"""Run a submission outside this process and grade it inside.

Trusted side. From a submission only the *sources of its cells* are taken and put into the
released notebook (`placing`); nothing else of it counts. The
cells run in a child (`worker`) that a warm process has forked
in a sandbox (`warm`). At a check cell the question's check runs
here and asks the child for plain data.
"""

from __future__ import annotations

import base64
import copy
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_output

from course_utils import session
from course_utils.checks import render
from course_utils.checks.framework import Exercise, Question, Report, seed_key
from course_utils.grading.run.apart import run_apart
from course_utils.grading.run.fair_clock import FairClock
from course_utils.grading.run.placing import Placed, makes_one, place
from course_utils.grading.run.reading import Cell, Ungradable
from course_utils.grading.run.untouched import report_of
from course_utils.grading.run.warm import Child, Nursery, SandboxError, Used, default_nursery
from course_utils.text import TERMINAL, printable
from course_utils.wire import codec
from course_utils.wire.answer import WorkerTransport
from course_utils.wire.codec import CodecError
from course_utils.wire.pipes import RUN, Limit

CELL_BYTES = 16 * 2**20  # of one cell's outputs, as they come
OUTPUT_BYTES = 32 * 2**20  # of all cells of a notebook
STARTS, START_SECONDS = 3, 60.0
CHECK_SUFFIX = "-check"
MOST_ASKED = 3  # times that a question is asked, at most: who guesses has no tries without end
_LACKED = re.compile(r"NameError: name '(\w+)' is not defined")


class Unstarted(Ungradable):
    """No process for a learner's notebook could be had, which is never the learner's fault."""


@dataclass(frozen=True)
class Clocks:
    """How long each may take, in seconds of a free machine (see `FairClock`): one cell, the whole notebook,
    an interrupt to be heeded; and how often a notebook that died is brought back to where it was."""

    cell: float = 600.0
    total: float = 1800.0
    interrupt: float = 5.0
    restarts: int = 3


@dataclass(frozen=True)
class Graded:
    """A graded notebook, with outputs, and its reports by question name.

    `seconds` is how long it took, `cells` how much of that the learner's cells ran, `used`
    what the learner's processes used and `own` the processor seconds of grading, `sandbox` the
    sandbox they ran behind and how many of its canaries were held.
    """

    notebook: NotebookNode
    reports: dict[str, Report]
    seconds: float
    used: Used = field(default_factory=Used)
    sandbox: str = ""
    cells: float = 0.0
    own: float = 0.0


# --- what is taken from a submission -----------------------------------------------------------------


def rebuild(released: NotebookNode, submitted: list[Cell], exercise: Exercise | None = None) -> NotebookNode:
    """The released notebook with the learner's answers, changes and own cells in it, and no outputs."""
    return _notebook(released, place(released, submitted, exercise))


def _notebook(released: NotebookNode, steps: list[Placed]) -> NotebookNode:
    notebook = copy.copy(released)
    notebook.metadata, notebook.cells = copy.deepcopy(released.metadata), [step.cell for step in steps]
    return notebook


# --- the child ---------------------------------------------------------------------------------------


def launch(nursery: Nursery) -> Child:
    """A fresh process for a learner's notebook: the one place where such a thing is made.

    Raises `Unstarted` where none can be had.
    """
    for _ in range(STARTS):
        try:
            child = nursery.start()
            try:
                child.pipe.exchange(RUN, codec.encode(""), START_SECONDS, codec.DATA.bytes)
                return child
            except (TimeoutError, ConnectionError):
                child.stop()
        except ConnectionError:
            continue
        except SandboxError as error:
            raise Unstarted(str(error)) from None
    raise Unstarted("the process that runs notebooks did not start")


class Notebook:
    """A learner's running notebook: cells go in, answers come out, and it survives its own death.

    When the process dies, or does not heed an interrupt, a new one is started and the
    cells that had run are run again, without the one that did it: a crash costs what
    depends on it and no more. When the notebook's time is up nothing more is run or
    asked. It is also the checks' transport.
    """

    def __init__(self, clocks: Clocks, nursery: Nursery | None = None) -> None:
        self._clocks = clocks
        self._nursery = nursery or default_nursery()
        self._ran: list[str] = []
        self._restarts = 0
        self._output_left = OUTPUT_BYTES
        self._seconds, self._memory, self._why = 0.0, 0, ""
        self._child: Child | None = launch(self._nursery)
        self._deadline = time.monotonic() + clocks.total  # a slow start is not the learner's time

    def __enter__(self) -> Notebook:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    @property
    def used(self) -> Used:
        """What all its processes used, once it has ended."""
        return Used(self._seconds, self._memory, self._why)

    def run(self, source: str, most: float = float("inf")) -> list[dict]:
        """Run a cell and return its outputs in nbformat's words, as the child claims them.

        It may take the limit of a cell, and never more than half of what is left for the
        whole or than `most` seconds: one that never ends leaves time for the others.
        """
        seconds = max(min(self._clocks.cell, (self._deadline - time.monotonic()) / 2, most), 0.0)
        try:
            answer = self._exchange(source, seconds)
            reply = codec.decode(answer)
        except TimeoutError:
            return [_error("Stopped", self._too_long(seconds))]
        except ConnectionError as error:
            return [_error("Stopped", f"the notebook's process ended in this cell ({self._why or error})")]
        except CodecError:
            return []
        self._ran.append(source)
        self._output_left -= len(answer)
        if self._output_left < 0:
            return [_error("Stopped", "the notebook has shown too much; what this cell shows is left out")]
        outputs = reply.get("outputs") if type(reply) is dict else None
        return outputs if type(outputs) is list else []

    def ask(self, request: bytes, seconds: float, bounds: codec.Bounds) -> bytes:
        """Carry a check's request (see `Transport`)."""
        return self._guarded(
            seconds, lambda child, limit: WorkerTransport(child.pipe).ask(request, limit, bounds)
        )

    def _exchange(self, source: str, seconds: float) -> bytes:
        payload = codec.encode(source)
        return self._guarded(seconds, lambda child, limit: _run_in(child, payload, limit))

    def _guarded(self, seconds: float, exchange: Callable[[Child, Limit], bytes]) -> bytes:
        """One exchange of at most `seconds`; whatever goes wrong in it, a usable process stands there
        afterwards, or the time is up.
        """
        if self._child is None:
            raise TimeoutError
        try:
            return self._timed(self._child, seconds, partial(exchange, self._child))
        except TimeoutError:
            if self._time_is_up():
                self._stop()
            elif not self._interrupted():
                self._restart()
            raise
        except ConnectionError:
            self._restart()
            raise

    def _timed(self, child: Child, seconds: float, exchange: Callable[[Limit], bytes]) -> bytes:
        """An exchange by a clock that stands still while the child waits for a processor."""
        left = max(self._deadline - time.monotonic(), 0.0)
        clock = FairClock(min(seconds, left), child.threads)
        try:
            return exchange(clock)
        finally:
            self._deadline += clock.stop()

    def _time_is_up(self) -> bool:
        return time.monotonic() >= self._deadline

    def _too_long(self, seconds: float) -> str:
        if self._child is None:
            return f"the whole notebook ran longer than {self._clocks.total:.0f} s"
        return f"the cell ran longer than {seconds:.0f} s"

    def _interrupted(self) -> bool:
        """Interrupt the child; whether it then still answers (late replies are dropped on the way)."""
        if self._child is None:
            return False
        try:
            self._child.interrupt()
            self._child.pipe.exchange(RUN, codec.encode(""), self._clocks.interrupt, CELL_BYTES)
            return True
        except (TimeoutError, ConnectionError):
            return False

    def _stop(self) -> None:
        if self._child is None:
            return
        used, self._child = self._child.stop(), None
        self._seconds += used.seconds
        self._memory, self._why = max(self._memory, used.memory), used.why

    def _restart(self) -> None:
        """A new process in the state the old one was in before it went wrong."""
        self._stop()
        if self._time_is_up():
            return
        self._restarts += 1
        if self._restarts > self._clocks.restarts:
            self._ran.clear()  # it dies again and again: what comes next starts from nothing
        self._child = launch(self._nursery)
        for source in self._ran:
            child, payload = self._child, codec.encode(source)
            try:
                self._timed(child, self._clocks.cell, partial(_run_in, child, payload))
            except (TimeoutError, ConnectionError):
                self._ran.clear()
                self._stop()
                if not self._time_is_up():
                    self._child = launch(self._nursery)
                return


def _run_in(child: Child, payload: bytes, limit: Limit) -> bytes:
    return child.pipe.exchange(RUN, payload, limit, CELL_BYTES)


# --- outputs -----------------------------------------------------------------------------------------


def _error(kind: str, message: str) -> dict:
    return {"output_type": "error", "ename": kind, "evalue": message, "traceback": [f"{kind}: {message}"]}


@dataclass
class Allowance:
    """How much may still be shown of a notebook's outputs: characters of text, and of pictures (in base64).

    formgrader and the feedback pages render all of it, at many times its size.
    """

    text: int = 400_000
    pictures: int = 12 * 2**20

    def of_a_cell(self) -> Allowance:
        """What one cell may take of it."""
        return Allowance(min(self.text, 100_000), min(self.pictures, 4 * 2**20))

    def take(self, text: str) -> str:
        """As much of a text as may be shown."""
        shown = text[: self.text]
        self.text -= len(shown)
        return shown


def cleaned(outputs: Sequence[object], left: Allowance | None = None) -> list[NotebookNode]:
    """A cell's claimed outputs as notebook outputs: text and pictures only, nothing that can run.

    What is shown is taken off what is `left` for the notebook.
    """
    left = left or Allowance()
    cell = left.of_a_cell()
    before = cell.text, cell.pictures
    found = [output for claim in outputs[:100] if cell.text and (output := _cleaned(claim, cell)) is not None]
    if not cell.text or len(outputs) > 100:
        found.append(new_output("stream", name="stderr", text="\n[the rest of the output is left out]\n"))
    left.text -= before[0] - cell.text
    left.pictures -= before[1] - cell.pictures
    return found


def _cleaned(output: object, cell: Allowance) -> NotebookNode | None:
    if type(output) is not dict:
        return None
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return new_output("stream", name=name, text=_text(output.get("text"), cell))
    if kind == "error":
        lines = output.get("traceback")
        lines = lines if type(lines) is list else []
        named = {name: _text(output.get(name), cell)[:2_000] for name in ("ename", "evalue")}
        return new_output("error", **named, traceback=[_text(line, cell) for line in lines[:50]])
    if kind in ("display_data", "execute_result") and type(output.get("data")) is dict:
        return _picture_or_text(kind, output["data"], cell)
    return None


def _picture_or_text(kind: str, data: dict, cell: Allowance) -> NotebookNode:
    kept = {"text/plain": _text(data.get("text/plain"), cell)}
    for name, start in (("image/png", b"\x89PNG"), ("image/jpeg", b"\xff\xd8")):
        picture = data.get(name)
        if (
            type(picture) is str
            and len(picture) <= min(cell.pictures, 2**20)
            and _decoded(picture).startswith(start)
        ):
            kept[name] = picture
            cell.pictures -= len(picture)
    return new_output(kind, data=kept)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        return b""


def _text(value: object, cell: Allowance) -> str:
    text = cell.take(value) if type(value) is str else ""
    return printable(text, keep=TERMINAL)


def check_outputs(report: Report) -> list[NotebookNode]:
    """A report as a check cell's outputs: a card to read, and the points where nbgrader looks for them.

    nbgrader takes a cell's first `execute_result` that is a number as its points.
    """
    card = new_output(
        "display_data",
        data={"text/plain": render.report_text(report), "text/html": render.report_html(report)},
    )
    if report.points is None:
        return [card]
    return [card, new_output("execute_result", data={"text/plain": repr(float(report.points))})]


# --- the whole ---------------------------------------------------------------------------------------


def question_of(cell: NotebookNode) -> str | None:
    """The question a check cell asks (`"q1"` for `q1-check`); `None` for any other cell."""
    marks = cell.metadata.get("nbgrader", {})
    name = marks.get("grade_id", "")
    if (
        cell.cell_type == "code"
        and marks.get("grade")
        and not marks.get("solution")
        and name.endswith(CHECK_SUFFIX)
    ):
        return name.removesuffix(CHECK_SUFFIX)
    return None


def settle() -> None:
    """Make this process compute as every grader does: one thread, no network, quiet libraries.

    Sums in another order are other sums; with one thread the same weights give the same marks.
    """
    os.environ.update(
        session.QUIET | session.NO_NETWORK | {"OMP_NUM_THREADS": "1", "COURSE_PROFILE": "offline"}
    )
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def grade(
    released: NotebookNode,
    submitted: list[Cell],
    exercise: Exercise,
    key_of: Callable[[Question], bytes | None],
    clocks: Clocks = Clocks(),
    progress: Callable[[str], None] = lambda text: None,
    nursery: Nursery | None = None,
    leave_out: bool = False,
) -> Graded:
    """Run a submission's answers in the released notebook and grade every question.

    `submitted` comes from `read_submission`; `key_of` gives
    the key a question's data are drawn from (see `secret_keys`); `nursery` is where the
    learner's process comes from, and so says in which sandbox it runs; `leave_out` gives
    everybody the points of questions on fetched files. Raises
    `Unstarted` if no child can be started, and `NeedsAPerson` for
    what is not this exercise's.
    """
    settle()
    started, own = time.monotonic(), _processor_seconds()
    steps = place(released, submitted, exercise)
    nursery = nursery or default_nursery()
    with Notebook(clocks, nursery) as running:
        grading = _Grading(running, exercise, key_of, clocks, progress, leave_out)
        reports = grading.grade(steps)
    return Graded(
        _notebook(released, steps),
        reports,
        time.monotonic() - started,
        running.used,
        nursery.level,
        grading.cells,
        _processor_seconds() - own,
    )


def _processor_seconds() -> float:
    """What this process has used, and the processes in which it graded, which have ended."""
    return sum(os.times()[:4])


@dataclass
class _Asked:
    """A question that was asked: its check cell, the cells above it back to the check before, and
    the learner's own cells that have been run since.
    """

    name: str
    check: NotebookNode
    above: list[Placed]
    since: list[Placed] = field(default_factory=list)
    times: int = 0

    def concerns(self, added: list[Placed], needs: Iterable[str], report: Report) -> bool:
        """Whether some added cells make a name that the question is about, or that it lacked."""
        names = {need.partition(".")[0] for need in needs}.union(*(step.makes for step in self.above))
        names |= {name for part in report.parts for name in _LACKED.findall(part.got)}
        return any(makes_one(step.cell.source, names) for step in added)


class _Grading:
    """The cells of one notebook in their order, and its questions.

    `course.check` grades what a learner's kernel holds, whatever order its cells were run in. So a question
    that is not right, of which another answer stands in a cell of the learner's own, is asked once more with
    that; the better report counts.
    """

    def __init__(
        self,
        running: Notebook,
        exercise: Exercise,
        key_of: Callable[[Question], bytes | None],
        clocks: Clocks,
        progress: Callable[[str], None],
        leave_out: bool = False,
    ) -> None:
        self._running, self._exercise, self._key_of, self._progress = running, exercise, key_of, progress
        self._leave_out = leave_out
        self._own_left = clocks.total / 3  # of the learner's own cells together: the answers come first
        self._left = Allowance()
        self._reports: dict[str, Report] = {}
        self.cells = 0.0

    def grade(self, steps: list[Placed]) -> dict[str, Report]:
        """Run all cells, which get their outputs, and grade all questions."""
        asked: list[_Asked] = []
        above: list[Placed] = []
        code = [step for step in steps if step.cell.cell_type == "code"]
        for count, step in enumerate(code, 1):
            if asked and asked[-1].since and not step.added:
                self._ask_again(asked[-1])
            name = question_of(step.cell)
            if name is None:
                step.cell.outputs = self._run(step)
                above.append(step)
                if step.added:
                    for each in asked:
                        each.since.append(step)
            else:
                asked.append(_Asked(name, step.cell, above))
                self._ask(asked[-1])
                above = []
            step.cell.outputs, step.cell.execution_count = _counted(step.cell.outputs, count), count
        for each in asked:
            self._ask_again(each)
            self._look_for_a_place(each, [step for step in code if step.added])
        return self._reports

    def _run(self, step: Placed) -> list[NotebookNode]:
        """Run a cell; where a changed given cell fails, what was given too."""
        begun = time.monotonic()
        outputs = self._running.run(step.cell.source, self._own_left if step.added else float("inf"))
        if step.added:
            self._own_left = max(self._own_left - (time.monotonic() - begun), 0.0)
        if step.given is not None and any(_is_error(output) for output in outputs):
            outputs = [*outputs, *self._running.run(step.given)]
        self.cells += time.monotonic() - begun
        return cleaned(outputs, self._left)

    def _ask(self, asked: _Asked) -> None:
        question = self._exercise.find(asked.name)
        self._progress(f"{asked.name} {question.title}")
        self._grade(asked, question)
        answered = [number for number, step in enumerate(asked.above) if step.answer and step.worked_on]
        below = [step for step in asked.above[answered[0] :] if step.added] if answered else []
        if self._is_worth_asking(asked, below):
            self._run_again(asked, answers=True)  # the answer's own cell, without the older try below it

    def _ask_again(self, asked: _Asked) -> None:
        """Once more, after cells of the learner's own that stand below the check."""
        since, asked.since = asked.since, []
        if self._is_worth_asking(asked, since):
            self._run_again(asked, answers=False)

    def _is_worth_asking(self, asked: _Asked, added: list[Placed]) -> bool:
        """Whether some added cells may hold a better answer to a question that was not asked too often."""
        needs, report = self._exercise.find(asked.name).needs, self._reports[asked.name]
        return self._is_open(asked.name) and asked.times < MOST_ASKED and asked.concerns(added, needs, report)

    def _run_again(self, asked: _Asked, *, answers: bool) -> None:
        for step in asked.above:
            if not step.added and (answers or not step.answer):
                begun = time.monotonic()
                self._running.run(step.cell.source)
                self.cells += time.monotonic() - begun
        self._grade(asked, self._exercise.find(asked.name))

    def _grade(self, asked: _Asked, question: Question) -> None:
        asked.times += 1
        if question.fetched and self._leave_out:
            return self._note(asked, question.given_to_all())
        ask = partial(run_apart, question, self._running, self._key_of(question))
        # asked again, an answer from elsewhere in the notebook stands in for the cells above
        self._note(asked, report_of(question, asked.above, ask) if asked.times == 1 else ask())

    def _note(self, asked: _Asked, report: Report) -> None:
        """Keep a report, unless there is a better one."""
        before = self._reports.get(asked.name)
        if before is None or (before.points is not None and (report.points or 0.0) > before.points):
            self._reports[asked.name] = report
            asked.check.outputs = _counted(check_outputs(report), asked.check.execution_count or 0)

    def _is_open(self, name: str) -> bool:
        report = self._reports[name]
        return report.points is not None and report.points < report.max_points

    def _look_for_a_place(self, asked: _Asked, added: list[Placed]) -> None:
        """A question without points whose answer cell is gone, while there is code that fits nowhere, is a
        person's to grade.
        """
        lost = [step for step in asked.above if step.answer and not step.found]
        if added and lost and not self._reports[asked.name].points and self._is_open(asked.name):
            why = (
                f"the answer cell of {asked.name} is not in the notebook, and among its cells are "
                f"{len(added)} of the learner's own"
            )
            self._reports[asked.name] = self._exercise.find(asked.name).needs_a_person(why)
            count = asked.check.execution_count
            asked.check.outputs = _counted(check_outputs(self._reports[asked.name]), count)


def _is_error(output: object) -> bool:
    return type(output) is dict and output.get("output_type") == "error"


def _counted(outputs: list[NotebookNode], count: int) -> list[NotebookNode]:
    for output in outputs:
        if output.output_type == "execute_result":
            output.execution_count = count
    return outputs


def secret_keys(secret: bytes, student: str) -> Callable[[Question], bytes]:
    """The grader's keys: one for each student and question, out of one secret."""
    return lambda question: seed_key(secret, student, question.exercise, question.name)


def public_keys(question: Question) -> None:
    """The learner's keys: the public data."""
    return None


def ungraded(released: NotebookNode, exercise: Exercise, why: str, person: bool = False) -> Graded:
    """What stands in for a submission that could not be graded: no marks, and the reason at every check.

    `person`: it is one that a person can grade.
    """
    notebook, reports = copy.deepcopy(released), {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        name = question_of(cell)
        if name is not None:
            question = exercise.find(name)
            reports[name] = question.needs_a_person(why) if person else question.ungraded(why)
            cell.outputs = check_outputs(reports[name])
    return Graded(notebook, reports, 0.0)


def read_released(path: Path) -> NotebookNode:
    """A released notebook; raises `Ungradable` if it is not there."""
    if not path.is_file():
        raise Ungradable(f"there is no released notebook {path}; run `course release` first")
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:
        raise Ungradable(f"the released notebook {path} cannot be read ({type(error).__name__})") from error

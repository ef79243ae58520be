"""Run a submission outside this process and judge it inside.

Trusted side. From a submission only the *source of its answer cells* is taken,
matched by grade id, and put into the released notebook; nothing else of it counts.
The cells run in a child (`worker`) that a warm process has forked
in a sandbox (`warm`). At a check cell the question's check runs
here and asks the child for plain data.
"""

from __future__ import annotations

import base64
import copy
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_output

from course_utils import session
from course_utils.checks import render
from course_utils.checks.framework import Exercise, Question, Report, seed_key
from course_utils.grading.run.apart import judge_apart
from course_utils.grading.run.defused import defused
from course_utils.grading.run.warm import Child, Nursery, SandboxError, Used, default_nursery
from course_utils.text import TERMINAL, printable
from course_utils.wire import codec
from course_utils.wire.answer import WorkerTransport
from course_utils.wire.codec import CodecError
from course_utils.wire.pipes import RUN

SUBMISSION_BYTES = 20 * 2**20
SOURCE_CHARACTERS = 200_000
CELL_BYTES = 16 * 2**20  # of one cell's outputs, as they come
OUTPUT_BYTES = 32 * 2**20  # of all cells of a notebook
STARTS, START_SECONDS = 3, 60.0
CHECK_SUFFIX = "-check"


class Ungradable(Exception):
    """A submission (or a machine) for which there can be no mark; the message says why."""


@dataclass(frozen=True)
class Clocks:
    """How long each may take, in seconds: one cell, the whole notebook, an interrupt to be heeded; and
    how often a notebook that died is brought back to where it was."""

    cell: float = 600.0
    total: float = 1800.0
    interrupt: float = 5.0
    restarts: int = 3


@dataclass(frozen=True)
class Graded:
    """A judged notebook, with outputs, and its reports by question name.

    `seconds` is how long it took, `cells` how much of that the learner's cells ran, `used`
    what the learner's processes used and `own` the processor seconds of judging, `sandbox` the
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


def read_submission(path: Path) -> dict[str, list[str]]:
    """The sources of the answer cells of a submitted notebook, by grade id and by cell id.

    Returns `{name: [source, ...]}`, in the notebook's order; a copied cell gives a
    name several sources. Raises `Ungradable` for what is not a notebook.
    """
    try:
        if not path.is_file() or path.is_symlink():
            raise Ungradable(f"{path.name} is not a plain file")
        if path.stat().st_size > SUBMISSION_BYTES:
            raise Ungradable(f"{path.name} is larger than {SUBMISSION_BYTES // 2**20} MB")
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = notebook["cells"]
        if type(cells) is not list:
            raise TypeError
    except Ungradable:
        raise
    except OSError as error:
        raise Ungradable(f"{path.name} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Ungradable(f"{path.name} is not a notebook (broken JSON or no cells)") from None
    return answer_sources(cells)


def answer_sources(cells: list) -> dict[str, list[str]]:
    """The sources of some cells by the name each can be matched by; cells without one are left out."""
    sources: dict[str, list[str]] = {}
    for cell in cells:
        name = _name(cell)
        if name is not None:
            sources.setdefault(name, []).append(_source(cell))
    return sources


def _name(cell: object) -> str | None:
    """What a submitted cell is matched by: its grade id, or `"#"` and its cell id."""
    if not isinstance(cell, dict):
        return None
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = marks.get("grade_id") if isinstance(marks, dict) else None
    if type(grade_id) is str:
        return grade_id
    return f"#{cell['id']}" if type(cell.get("id")) is str else None


def _source(cell: dict) -> str:
    source = cell.get("source", "")
    if type(source) is list and all(type(line) is str for line in source):
        source = "".join(source)
    if type(source) is not str:
        return ""
    # JSON may hold halves of characters, which no file can
    return source[:SOURCE_CHARACTERS].encode("utf-8", "replace").decode("utf-8")


def rebuild(released: NotebookNode, sources: dict[str, list[str]]) -> NotebookNode:
    """The released notebook with the learner's answers in its answer cells and no outputs."""
    notebook = copy.deepcopy(released)
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if marks.get("solution"):
            found = sources.get(marks["grade_id"]) or sources.get(f"#{cell.get('id')}") or []
            cell.source = _chosen(found, cell.source)
            if cell.cell_type == "markdown":
                cell.source = defused(cell.source)  # an instructor's browser will show it
    return notebook


def _chosen(found: list[str], stub: str) -> str:
    """Of several copies of an answer cell, the last that was worked on."""
    worked_on = [source for source in found if source.strip() != stub.strip()]
    return worked_on[-1] if worked_on else stub


# --- the child ---------------------------------------------------------------------------------------


def launch(nursery: Nursery) -> Child:
    """A fresh process for a learner's notebook: the one place where such a thing is made.

    Raises `Ungradable` where none can be had; that is never a learner's fault.
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
            raise Ungradable(str(error)) from None
    raise Ungradable("the process that runs notebooks did not start")


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

    def run(self, source: str) -> list[dict]:
        """Run a cell and return its outputs in nbformat's words, as the child claims them."""
        try:
            answer = self._exchange(source, self._clocks.cell)
            reply = codec.decode(answer)
        except TimeoutError:
            return [_error("Stopped", self._too_long())]
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
            lambda child, left: WorkerTransport(child.pipe).ask(request, min(seconds, left), bounds)
        )

    def _exchange(self, source: str, seconds: float) -> bytes:
        payload = codec.encode(source)
        return self._guarded(
            lambda child, left: child.pipe.exchange(RUN, payload, min(seconds, left), CELL_BYTES)
        )

    def _guarded(self, exchange: Callable[[Child, float], bytes]) -> bytes:
        """One exchange; whatever goes wrong in it, a usable process stands there
        afterwards, or the time is up.
        """
        if self._child is None:
            raise TimeoutError
        try:
            return exchange(self._child, max(self._deadline - time.monotonic(), 0.0))
        except TimeoutError:
            if self._time_is_up():
                self._stop()
            elif not self._interrupted():
                self._restart()
            raise
        except ConnectionError:
            self._restart()
            raise

    def _time_is_up(self) -> bool:
        return time.monotonic() >= self._deadline

    def _too_long(self) -> str:
        if self._child is None:
            return f"the whole notebook ran longer than {self._clocks.total:.0f} s"
        return f"the cell ran longer than {self._clocks.cell:.0f} s"

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
            left = self._deadline - time.monotonic()
            try:
                self._child.pipe.exchange(
                    RUN, codec.encode(source), min(self._clocks.cell, max(left, 0.0)), CELL_BYTES
                )
            except (TimeoutError, ConnectionError):
                self._ran.clear()
                self._stop()
                if not self._time_is_up():
                    self._child = launch(self._nursery)
                return


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
    sources: dict[str, list[str]],
    exercise: Exercise,
    key_of: Callable[[Question], bytes | None],
    clocks: Clocks = Clocks(),
    progress: Callable[[str], None] = lambda text: None,
    nursery: Nursery | None = None,
) -> Graded:
    """Run a submission's answers in the released notebook and judge every question.

    `sources` comes from `read_submission`; `key_of` gives the key a
    question's data are drawn from (see `secret_keys`); `nursery` is where the
    learner's process comes from, and so says in which sandbox it runs. Raises
    `Ungradable` if no child can be started.
    """
    settle()
    started, own, cells = time.monotonic(), time.process_time(), 0.0
    notebook, reports, left = rebuild(released, sources), {}, Allowance()
    nursery = nursery or default_nursery()
    with Notebook(clocks, nursery) as running:
        count = 0
        for cell in notebook.cells:
            if cell.cell_type != "code":
                continue
            count += 1
            name = question_of(cell)
            if name is None:
                begun = time.monotonic()
                outputs = cleaned(running.run(cell.source), left)
                cells += time.monotonic() - begun
            else:
                question = exercise.find(name)
                progress(f"{name} {question.title}")
                reports[name] = judge_apart(question, running, key_of(question))
                outputs = check_outputs(reports[name])
            cell.outputs, cell.execution_count = _counted(outputs, count), count
    return Graded(
        notebook,
        reports,
        time.monotonic() - started,
        running.used,
        nursery.level,
        cells,
        time.process_time() - own,
    )


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


def ungraded(released: NotebookNode, exercise: Exercise, why: str) -> Graded:
    """What stands in for a submission that could not be graded: no marks, and the reason at every check."""
    notebook, reports = rebuild(released, {}), {}
    for cell in notebook.cells:
        name = question_of(cell)
        if name is not None:
            reports[name] = exercise.find(name).ungraded(why)
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

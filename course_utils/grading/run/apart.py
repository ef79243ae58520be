"""Grade each question in a disposable process of the grader's own.

A check reads what a learner made: replies, cards, configs, weights, tables. A text of fifty thousand
brackets can end the process that parses it, and a table can fill its memory. So the process that asks
the learner's code only carries bytes, and all reading is done in a fork of it, with limits of its own,
that ends with the question. What ends it costs what was not graded yet of that question, and no more.
"""

from __future__ import annotations

import ast
import contextlib
import os
import resource
import signal
import sys
from functools import cache
from multiprocessing import connection, get_context
from pathlib import Path

import psutil

from course_utils import closure
from course_utils.checks.framework import Question
from course_utils.checks.report import PartResult, Report
from course_utils.grading.sandbox.confine import die_with_parent
from course_utils.wire.answer import Transport
from course_utils.wire.codec import Bounds

MEMORY = 4 * 2**30  # bytes that grading one question may take, beyond what it began with
SECONDS = 600  # of the processor
#: What a check's modules reach for learners' eyes only
_NOT_ASKED = ("course_utils.checks.learner", "course_utils.hub", "course_utils.apps", "course_utils.plots")
STACK = 8 * 2**20  # bytes: where the stack has no limit, endless recursion would fill the memory


class Killed(Exception):
    """The process that grades was killed, and not by its own limits: nobody's mistake."""


def run_apart(
    question: Question, transport: Transport, key: bytes | None, memory: int = MEMORY, seconds: int = SECONDS
) -> Report:
    """What `question.run(transport, key)` reports, found in a fork of this process.

    `transport` stays here: what it raises beyond time-outs and lost connections is raised here.
    Raises `Killed` where the process was killed from outside, by a machine without memory, say.
    """
    import_ahead(question)
    context = get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_grade, args=(theirs, question, key, memory, seconds))
    process.start()
    theirs.close()
    parts: list[PartResult] = []
    try:
        while True:
            kind, *said = ours.recv()
            if kind == "report":
                return said[0]
            if kind == "part":
                parts.append(said[0])
            else:
                ours.send(_answered(transport, *said))
    except (EOFError, OSError):
        process.join()
        if process.exitcode == -signal.SIGKILL:
            raise Killed("the process that grades was killed; is there memory enough?") from None
        return question.ended(parts, _why(process.exitcode))
    finally:
        ours.close()
        process.kill()
        process.join()


def _answered(
    transport: Transport, request: bytes, seconds: float, bounds: Bounds
) -> bytes | TimeoutError | ConnectionError:
    try:
        return transport.ask(request, seconds, bounds)
    except (TimeoutError, ConnectionError) as error:
        return error


def _why(exitcode: int | None) -> str:
    """How the process that grades ended, in words."""
    if exitcode == -signal.SIGXCPU:
        return "reading it took too long"
    if exitcode is not None and exitcode < 0:
        return f"reading it ended the process that grades it ({signal.Signals(-exitcode).name})"
    return "reading it ended the process that grades it"


class _Through:
    """The transport of the process that grades: it asks the one that it came from."""

    def __init__(self, wire: connection.Connection) -> None:
        self._wire = wire

    def ask(self, request: bytes, seconds: float, bounds: Bounds) -> bytes:
        self._wire.send(("ask", request, seconds, bounds))
        answer = self._wire.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


def _grade(
    wire: connection.Connection, question: Question, key: bytes | None, memory: int, seconds: int
) -> None:
    with contextlib.suppress(OSError, AttributeError):  # AttributeError: not Linux
        die_with_parent()
    _limit(resource.RLIMIT_AS, psutil.Process().memory_info().vms + memory)
    _limit(resource.RLIMIT_CPU, seconds)
    _limit(resource.RLIMIT_STACK, STACK)
    _limit(resource.RLIMIT_CORE, 0)
    report = question.run(_Through(wire), key, lambda part: wire.send(("part", part)))
    wire.send(("report", report))
    wire.close()
    os._exit(0)  # what a learner's data made of this process runs no more code


def _limit(kind: int, most: int) -> None:
    with contextlib.suppress(ValueError, OSError):  # a lower limit is there already
        resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))


def import_ahead(question: Question) -> None:
    """Import here, once, what the checks of its module import when they run, and what that imports then:
    every fork has it. So it has what the module's `made_ahead()` makes, if there is one: models that the
    checks measure by, and what these have written, none of it a learner's or drawn for one.
    """
    if question.check is not None:
        _import_ahead(question.check.__module__)


@cache
def _import_ahead(module: str) -> None:
    for path in {*_file_of(module), *closure.reached([module], without=_NOT_ASKED)}:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                with contextlib.suppress(Exception):  # the check itself will say so
                    exec(ast.unparse(node), {})
    with contextlib.suppress(Exception):  # likewise
        getattr(sys.modules[module], "made_ahead", lambda: None)()


def _file_of(module: str) -> list[Path]:
    """Where a module's source lies; its checks need not be the course's own."""
    path = getattr(sys.modules[module], "__file__", None)
    return [Path(path)] if path and Path(path).suffix == ".py" else []

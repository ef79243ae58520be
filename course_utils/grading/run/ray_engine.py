"""Grade on the machines of a Ray cluster: `course grade --engine ray`.

The one that hands out the work keeps the secret, the journal and the gradebook. On each node an actor keeps a
process that grades (`ray_node`), which has to prove its sandbox and to be the same installation as here
before anything is sent to it. A task is one submission: its bytes, the keys of its learner's data, no more.

Nodes come and go. What was on a node that is gone, or does not answer, goes to another; Ray itself repeats
nothing, so each submission has one outcome. Only as many are sent as the nodes have processes for, and a few
more, so the memory for that does not grow with the class.

The package `ray` is imported here and nowhere else.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell Ray's makers about each cluster
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray's own new default, and no warning

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from course_utils.grading.run.batch import Grader, Outcome, Say, Submission
from course_utils.grading.run.ray_node import ROOM, THERE, Setup, modules_of, needs
from course_utils.grading.run.reading import Ungradable
from course_utils.grading.run.warm import SandboxError
from course_utils.grading.sandbox import places
from course_utils.light import start_lightly

AHEAD = 2  # submissions that a node has besides those that are graded there, so that none waits for the next
LOSSES = 3  # times that a submission is given to another process because the one before is gone
STARTS = 3  # processes that a node may lose before it is left out
LOOK_SECONDS = 5.0  # between two looks at which nodes there are
START_SECONDS = 900.0  # that a node may take to import everything and to try its sandbox
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from course_utils.grading.run.ray_node import main; main(int(sys.argv[2]))"
)


class ClusterError(SandboxError):
    """No node can grade, or none is left; the message names each, and why."""


class _Gone(Exception):
    """The process that grades on a node has ended, or does not answer."""


class Desk:
    """The actor on a node: it starts the process that grades there, and carries submissions to it.

    A process that has not answered for `patience` seconds is ended.
    """

    def __init__(self, setup: Setup, patience: float) -> None:
        ours, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOT, str(places.ROOT), str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
        theirs.close()
        self._wire = Connection(ours.detach())
        self._patience = patience
        self._sending = threading.Lock()
        self._gone = ""
        self._begun: Future = Future()
        self._waited: dict[int, Future] = {}
        self._send(setup)
        threading.Thread(target=self._read, daemon=True).start()

    def begin(self) -> tuple:
        """("ready", the sandbox's level, what its canaries reached) or ("refused", why)."""
        return self._begun.result()

    def grade(self, number: int, task: bytes) -> tuple:
        """("graded", a pickled outcome) or ("full", bytes free), for a pickled `Task` of that number.

        What is pickled needs the exercise's checks to be read, and they are in the other process only.
        """
        return self._ask(number, task).result()

    def there(self) -> tuple:
        """("there", the number of the process that grades), once that has answered."""
        try:
            self._ask(THERE, b"").result(self._patience)
        except TimeoutError:
            self._process.kill()
            raise _Gone(f"the process that grades has not answered for {self._patience:.0f} s") from None
        return "there", self._process.pid

    def _ask(self, number: int, message: bytes) -> Future:
        answer = self._waited[number] = Future()
        self._send(message)
        if self._gone:
            raise _Gone(self._gone)
        return answer

    def _send(self, message: Setup | bytes) -> None:
        with self._sending, contextlib.suppress(OSError):  # the one who reads finds out that it is gone
            self._wire.send(message)

    def _read(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._hear(*self._wire.recv())
        self._gone = f"the process that grades has ended (exit code {self._process.wait()})"
        for answer in (self._begun, *self._waited.values()):
            if not answer.done():
                answer.set_exception(_Gone(self._gone))

    def _hear(self, kind: str, *found: Any) -> None:
        if kind in ("ready", "refused"):
            self._begun.set_result((kind, *found))
        else:
            number, *rest = found
            self._waited.pop(number).set_result((kind, *rest))


@dataclass
class _Node:
    """A node of the cluster, as the one that hands out the work sees it."""

    name: str
    jobs: int
    desk: Any = None
    ready: bool = False
    out: str = ""  # why nothing is sent to it any more
    starts: int = 0
    since: float = 0.0
    flying: int = 0
    lost: str = ""  # why the last process on it is gone
    ping: Any = None
    pinged: float = 0.0


@dataclass
class _Flight:
    """What an answer is waited for: a node's beginning, a sign of life, or a submission's outcome."""

    node: _Node
    kind: str
    start: int  # which of the processes on that node it is
    submission: Submission | None = None
    losses: int = 0


@dataclass
class RayEngine:
    """Grades on all nodes of the cluster at `address` (`HOST:PORT` or `auto`), or of one that is started on
    this machine; `jobs` at a time on each node, as many as it has processors by default. `note` is told of
    each node that comes, goes or is refused. What does not answer for `patience` seconds is taken for dead.
    """

    address: str | None = None
    jobs: int | None = None
    note: Callable[[str], None] = lambda text: None
    patience: float = 300.0
    _nodes: dict[str, _Node] = field(default_factory=dict)
    _flights: dict[Any, _Flight] = field(default_factory=dict)
    _looked: float = 0.0
    _sent: int = 0

    def prepared(
        self, imports: tuple[str, ...], exercises: list[str]
    ) -> contextlib.AbstractContextManager[None]:
        """What has to be done here before: nothing, for no learner's code runs here."""
        return contextlib.nullcontext()

    def grade_all(
        self,
        submissions: list[Submission],
        grader: Grader,
        say: Say = lambda level, reached: None,
    ) -> Iterator[Outcome]:
        """Grade submissions on the cluster, in whatever order they are done.

        `say` is told of the first sandbox that stands. Raises `ClusterError` when no node can grade.
        """
        if not submissions:
            return
        with _connected(self.address):
            try:
                self._nodes, self._flights, self._looked = {}, {}, 0.0
                yield from self._graded(deque((each, 0) for each in submissions), grader, say)
            finally:
                for node in self._nodes.values():
                    _end(node)
                self._flights.clear()

    def _graded(self, waiting: deque[tuple[Submission, int]], grader: Grader, say: Say) -> Iterator[Outcome]:
        setup, left, said = _setup(waiting, grader), len(waiting), False
        while left:
            self._look(setup)
            for outcome in self._send(waiting, grader):
                left -= 1
                yield outcome
            for flight, answer in self._answers():
                if flight.kind == "ready" and not said and flight.node.ready:
                    said = True
                    say(*answer[1:])
                losses = flight.losses + (answer[0] == "gone")
                if flight.submission is None:
                    continue
                if answer[0] == "graded":
                    left -= 1
                    yield replace(pickle.loads(answer[1]), submission=flight.submission)
                elif losses >= LOSSES:
                    left -= 1
                    why = f"the processes that graded it ended, {LOSSES} times"
                    yield grader.unable(flight.submission, why, again=True)
                else:
                    waiting.appendleft((flight.submission, losses))

    # --- nodes ---------------------------------------------------------------------------------------

    def _look(self, setup: Setup) -> None:
        """Find out which nodes there are, start on new ones, and ask the others for a sign of life."""
        now = time.monotonic()
        if now < self._looked + LOOK_SECONDS:
            return
        self._looked = now
        for found in ray.nodes():
            name, processors = found["NodeID"], int(found["Resources"].get("CPU", 0))
            if found["Alive"] and processors and name not in self._nodes:
                self._nodes[name] = _Node(_name_of(found), min(self.jobs or processors, processors))
            elif not found["Alive"] and name in self._nodes and not self._nodes[name].out:
                self._leave_out(self._nodes[name], "it is gone")
        for name, node in self._nodes.items():
            if not node.out and node.desk is None:
                if node.starts == STARTS:
                    self._leave_out(node, f"its grading process has ended {STARTS} times; {node.lost}")
                else:
                    self._start(name, node, setup)
            elif not node.out:
                self._watch(node, now)
        if not any(not node.out for node in self._nodes.values()):
            why = "; ".join(f"{node.name}: {node.out}" for node in self._nodes.values())
            raise ClusterError(
                f"no node of the cluster can grade. {why or 'None has a processor for it.'} "
                "What was graded is kept: go on with the same command and --resume"
            )

    def _start(self, name: str, node: _Node, setup: Setup) -> None:
        actor = ray.remote(Desk).options(
            num_cpus=node.jobs,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=node.jobs + AHEAD + 2,
            scheduling_strategy=NodeAffinitySchedulingStrategy(name, soft=False),
        )
        node.desk = actor.remote(replace(setup, jobs=node.jobs), self.patience)
        node.starts, node.since, node.ping = node.starts + 1, time.monotonic(), None
        self._flights[node.desk.begin.remote()] = _Flight(node, "ready", node.starts)

    def _watch(self, node: _Node, now: float) -> None:
        if not node.ready:
            if now > node.since + START_SECONDS:
                self._leave_out(node, f"it was not ready after {START_SECONDS:.0f} s")
        elif node.ping is None and now > node.pinged + self.patience / 10:
            node.ping, node.pinged = node.desk.there.remote(), now
            self._flights[node.ping] = _Flight(node, "there", node.starts)
        elif node.ping is not None and now > node.pinged + 2 * self.patience:
            self._lose(node, f"it has not answered for {2 * self.patience:.0f} s")

    def _leave_out(self, node: _Node, why: str) -> None:
        node.out, node.ready = why, False
        _end(node)
        self.note(f"{node.name} is left out: {why}")

    # --- submissions ---------------------------------------------------------------------------------

    def _send(self, waiting: deque[tuple[Submission, int]], grader: Grader) -> Iterator[Outcome]:
        """Give the nodes what they have room for; yields what there is nothing to send of.

        At the end nothing is sent ahead: it would wait on one node while a place is free on another.
        """
        ready = [node for node in self._nodes.values() if node.ready]
        places = sum(node.jobs for node in ready)
        while waiting:
            ahead = AHEAD if len(waiting) > places else 0
            free = [node for node in ready if node.flying < node.jobs + ahead]
            if not free:
                return
            node = min(free, key=lambda each: each.flying / each.jobs)
            submission, losses = waiting.popleft()
            try:
                self._sent += 1
                task = replace(grader.task(submission), number=self._sent)
            except Ungradable as error:
                yield grader.not_gradable(submission, error)
                continue
            answer = node.desk.grade.remote(task.number, pickle.dumps(task))
            self._flights[answer] = _Flight(node, "task", node.starts, submission, losses)
            node.flying += 1

    def _answers(self) -> Iterator[tuple[_Flight, tuple]]:
        """What has come from the nodes, after a wait of a second at most."""
        came, _ = ray.wait(list(self._flights), num_returns=1, timeout=1.0) if self._flights else ([], [])
        if not self._flights:
            time.sleep(1.0)
        for answer in came:
            flight = self._flights.pop(answer)
            flight.node.flying -= flight.kind == "task"
            try:
                found = ray.get(answer)
            except (ray.exceptions.RayError, _Gone) as error:
                found = ("gone", _first_line(error))
            self._heed(flight, found)
            yield flight, found

    def _heed(self, flight: _Flight, answer: tuple) -> None:
        """What an answer says of its node, unless that has another process by now, or is left out."""
        node = flight.node
        if node.out or node.desk is None or flight.start != node.starts:
            return
        if answer[0] == "ready":
            node.ready, node.pinged = True, time.monotonic()
            self.note(f"{node.name} grades {node.jobs} at a time, sandbox {answer[1]}")
        elif answer[0] == "there":
            node.ping = None
        elif answer[0] == "refused" or (answer[0] == "gone" and flight.kind == "ready" and node.starts == 1):
            self._leave_out(node, answer[1])
        elif answer[0] == "full":
            free = f"{answer[1] / 2**30:.1f} GB free, {ROOM / 2**30:.1f} wanted"
            self._leave_out(node, f"its disk is full ({free})")
        elif answer[0] == "gone":
            self._lose(node, answer[1])

    def _lose(self, node: _Node, why: str) -> None:
        """A node's process is gone, or as good as gone; the next look starts another."""
        node.lost = why
        _end(node)  # what it was given is answered by that it is gone
        self.note(f"{node.name} has lost its grading process: {why}")


def _end(node: _Node) -> None:
    """End what runs on a node."""
    if node.desk is not None:
        with contextlib.suppress(Exception):  # it may be gone already, with the cluster
            ray.kill(node.desk)
    node.desk, node.ready, node.ping = None, False, None


def _setup(waiting: deque[tuple[Submission, int]], grader: Grader) -> Setup:
    names = tuple(dict.fromkeys(submission.exercise.name for submission, _ in waiting))
    return Setup(
        modules_of(names),
        {name: (grader.release / name / f"{name}.ipynb").read_bytes() for name in names},
        needs(grader.release, names),
        grader.imports,
        grader.sandbox,
        grader.total_seconds,
        1,
        grader.leave_out,
    )


@contextlib.contextmanager
def _connected(address: str | None) -> Iterator[None]:
    """Be connected to the cluster, or to one that is started here for as long as this lasts."""
    if ray.is_initialized():
        yield
        return
    start_lightly()  # where the cluster is this machine's own, its node is started from here
    where = address or os.environ.get("RAY_ADDRESS") or "local"
    ours: dict[str, Any] = {
        "include_dashboard": False,
        "_node_ip_address": "127.0.0.1",
        "object_store_memory": 2**29,
    }
    try:
        ray.init(
            address=where,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **(ours if where == "local" else {}),
        )
    except Exception as error:  # whatever Ray says of an address that leads nowhere
        raise ClusterError(f"there is no Ray cluster at {where}: {_first_line(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _name_of(found: dict) -> str:
    """What a node is called where people read it."""
    address, name = found["NodeManagerAddress"], found["NodeName"]
    return f"{name if name and name != address else found['NodeManagerHostname']} ({address})"


def _first_line(error: Exception) -> str:
    """What an error says, without the trace that Ray puts before and behind it."""
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "Error" in line), lines[0] if lines else "")[:300]

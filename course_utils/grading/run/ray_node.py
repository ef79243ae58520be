"""The process that grades on a node of a cluster: what the local engine does in its own process, over a pipe.

Ray's worker has threads, and a process with threads cannot be forked safely. So the worker starts this one,
which has none: it imports the stack once, forks the grading processes, and ends when its pipe closes.
Ray is not imported here.
"""

from __future__ import annotations

import contextlib
import importlib
import pickle
import platform
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from course_utils import closure
from course_utils.checks.framework import load_exercise
from course_utils.fetched.registry import FETCHED
from course_utils.grading.run import journal
from course_utils.grading.run.batch import Grader, Pool, Task, fair_memory, ready_to_fork
from course_utils.grading.run.warm import SandboxError
from course_utils.grading.sandbox.confine import Caps
from course_utils.grading.sandbox.kinds import SANDBOXES

ROOM = (
    2 * Caps.disk
)  # bytes that must be free on a node's disk: what a submission may write, and as much again
THERE = -1  # the number of the question whether it is there
_OURS = ("course_utils.grading.run.ray_node", "course_utils.grading.run.zygote")


@dataclass(frozen=True)
class Setup:
    """What a node has to know of a run. `modules` register the exercises, `released` are their released
    notebooks by name, `needs` is what `needs()` gives where the run was started, `jobs` how many submissions
    the node grades at a time.
    """

    modules: tuple[str, ...]
    released: Mapping[str, bytes]
    needs: Mapping[str, str]
    imports: tuple[str, ...]
    sandbox: str
    total_seconds: float
    jobs: int
    leave_out: bool = False


def modules_of(exercises: Sequence[str]) -> tuple[str, ...]:
    """The modules with the checks of these exercises, which make them known where they are imported."""
    questions = [question for name in exercises for question in load_exercise(name).questions.values()]
    return tuple(dict.fromkeys(question.check.__module__ for question in questions if question.check))


def needs(release: Path, exercises: Sequence[str]) -> dict[str, str]:
    """All that must be the same on two machines for their marks to be the same, as it is here."""
    found = {"Python": ".".join(platform.python_version_tuple()[:2])}
    found |= dict(journal.versions())
    found |= {f"`course fetch`'s {each.name}": each.edition for each in FETCHED.values() if each.there}
    for name in exercises:
        released = release / name / f"{name}.ipynb"
        found[f"the digest of {name}'s checks"] = journal.checks_version(load_exercise(name), released)
    return found | {"the digest of the grader's code": closure.digest(closure.reached(_OURS))[:16]}


def difference(here: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """What two machines differ in, in words; "" where they do not. Versions come before digests."""
    other = [name for name in wanted if here.get(name) != wanted[name]]
    said = [f"{name} is {here.get(name, 'missing')} and should be {wanted[name]}" for name in other[:3]]
    more = f", and {len(other) - 3} more" if len(other) > 3 else ""
    return "; ".join(said) + more


def room_left() -> int:
    """Bytes free where this node's temporary files lie."""
    return shutil.disk_usage(tempfile.gettempdir()).free


def main(descriptor: int) -> None:
    """Be the process that grades on a node, for whoever holds the other end of a pipe.

    Says ("refused", why), or ("ready", level, reached) and then for each pickled `Task` ("graded", its
    number, a pickled outcome) or ("full", its number, bytes free). Answers b"" by ("there", THERE).
    """
    wire = Connection(descriptor)
    try:
        with tempfile.TemporaryDirectory(prefix="course-node-") as folder:
            _serve(wire, wire.recv(), Path(folder))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the run is over
    except (SandboxError, OSError) as error:
        with contextlib.suppress(OSError):
            wire.send(("refused", str(error)))


def _serve(wire: Connection, setup: Setup, folder: Path) -> None:
    for name, content in setup.released.items():
        place = folder / "release" / name / f"{name}.ipynb"
        place.parent.mkdir(parents=True)
        place.write_bytes(content)
    names = list(setup.released)
    for module in setup.modules:
        importlib.import_module(module)
    if differs := difference(needs(folder / "release", names), setup.needs):
        wire.send(("refused", f"its installation is another one: {differs}"))
        return
    checks = Path(sys.modules["course_utils.checks.framework"].__file__ or "")
    grader = Grader(
        folder / "release",
        b"",
        setup.sandbox,
        setup.imports,
        (str(folder), str(checks)),
        Caps(memory=fair_memory(setup.jobs)),
        setup.total_seconds,
        setup.leave_out,
    )
    with ready_to_fork(setup.imports, names):
        _grade(wire, Pool(grader, setup.jobs, lambda level, reached: wire.send(("ready", level, reached))))


def _grade(wire: Connection, pool: Pool) -> None:
    try:
        while True:
            for outcome in pool.look(wire):
                task = outcome.submission
                assert isinstance(task, Task), "nothing else is put in"
                if room_left() < ROOM and not _has_a_disk_of_its_own(outcome.graded.sandbox):
                    wire.send(("full", task.number, room_left()))
                else:
                    wire.send(("graded", task.number, pickle.dumps(outcome)))
            while wire.poll():
                _answer(wire, pool, wire.recv())
    finally:
        pool.close()


def _answer(wire: Connection, pool: Pool, message: bytes) -> None:
    if not message:
        wire.send(("there", THERE))
        return
    task: Task = pickle.loads(message)
    if room_left() < ROOM:
        wire.send(("full", task.number, room_left()))
    else:
        pool.put(task)


def _has_a_disk_of_its_own(level: str) -> bool:
    """Whether a sandbox ("bwrap 9/9") gives a learner's code file systems that nobody else fills."""
    kind = SANDBOXES.get(level.partition(" ")[0])
    return kind is not None and kind.namespaces

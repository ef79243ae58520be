"""The warm process: imports the stack once, and forks a child for every submission.

It runs inside the outer sandbox and never runs a learner's code itself. The grader
(`warm`) talks to it over one socket, in lines of JSON: `start`
comes with two descriptors, the child's ends of its pipes; `interrupt` and `stop` are for
the child that runs now. There is one at a time, and when it ends, however it ends, every
process it left behind is killed before the next one starts.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import random
import resource
import select
import shutil
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from course_utils.grading.sandbox import canaries
from course_utils.grading.sandbox.confine import (
    Caps,
    Confinement,
    confine,
    die_with_parent,
    hide_memory,
    prctl,
)

LOOK_SECONDS = 0.2
KILL_SECONDS = 60.0
CANARY_SECONDS = 240.0  # they fork without end, which takes long on a machine that is busy
_SUBREAPER = 36  # prctl(2)
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Learner:
    """The child that runs now, and all processes it has started."""

    def __init__(self, child: int, confinement: Confinement) -> None:
        self.child = child
        self.confinement = confinement
        self.peak = 0
        self.why = ""
        self._own = _memory_of(os.getpid())

    def look(self) -> None:
        """Note how much its processes hold, and end it where that is too much."""
        held = 0
        for process in _others(self.child):
            held += max(_memory_of(process) - self._own, 0)
        self.peak = max(self.peak, held)
        if held > self.confinement.caps.memory:
            self.why = f"its processes held more than {self.confinement.caps.memory / 2**30:.1f} GB of memory"
        elif (
            not self.confinement.sandbox.namespaces
            and _size_of(self.confinement.scratch) > self.confinement.caps.disk
        ):
            self.why = f"it wrote more than {self.confinement.caps.disk / 2**30:.1f} GB"
        if self.why:
            _kill_all(self.confinement, self.child)

    def end(self) -> dict:
        """Kill every process of it and wait until none is left; returns what it used."""
        usage = None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.child, signal.SIGKILL)
        deadline = time.monotonic() + KILL_SECONDS
        while True:
            _kill_all(self.confinement, self.child)
            usage = _reap(self.child) or usage
            if not _others(self.child):
                break
            if time.monotonic() > deadline:
                os._exit(1)  # with us goes the whole namespace, and the grader starts another
            time.sleep(0.002)
        for place in (self.confinement.scratch, *self.confinement.shared):
            _empty(place, None if self.confinement.sandbox.namespaces else self.confinement.user)
        if usage is None:
            return {"seconds": 0.0, "memory": self.peak}
        peak = max(self.peak, usage.ru_maxrss * 1024 - self._own)
        return {"seconds": usage.ru_utime + usage.ru_stime, "memory": peak}


def _alone() -> bool:
    """Whether this is the first process of a namespace, in which everybody else is a learner's."""
    return os.getpid() == 1


def _others(child: int) -> list[int]:
    """The processes of a submission: in our own namespace everybody else, outside of one our descendants."""
    processes = _processes()
    if _alone():
        return [process for process in processes if process != 1]
    parents = {process: _parent_of(process) for process in processes}
    found: list[int] = []
    frontier = {os.getpid()}
    while frontier:
        frontier = {
            process for process, parent in parents.items() if parent in frontier and process not in found
        }
        found += frontier
    return found


def _processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _parent_of(process: int) -> int:
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def _memory_of(process: int) -> int:
    """Bytes of memory that a process holds and shares with no file; 0 where that can't be known."""
    try:
        with open(f"/proc/{process}/statm", "rb") as file:
            _, resident, shared, *_ = map(int, file.read().split())
        return (resident - shared) * _PAGE
    except (OSError, ValueError):
        return 0


def _size_of(folder: str) -> int:
    """Bytes of the files in a folder, as far as they can be counted soon."""
    total, folders = 0, [folder]
    deadline = time.monotonic() + 1
    while folders and time.monotonic() < deadline:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total


def _kill_all(confinement: Confinement, child: int) -> None:
    """Kill what a submission has left; where one call reaches them all, nothing can fork away from it."""
    if _alone():
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        return
    if confinement.user is not None and os.getuid() == 0:
        killer = os.fork()
        if killer == 0:
            _kill_as(confinement.user)
        os.waitpid(killer, 0)
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    for process in _others(child):
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)


def _kill_as(user: int) -> None:
    """Become that user, who is nobody else here, and kill all of theirs (and ourselves)."""
    try:
        os.setgroups([])
        os.setresuid(user, user, user)
        if user != 0 and os.getuid() == user:
            os.kill(-1, signal.SIGKILL)
    finally:
        os._exit(0)


def _reap(child: int) -> resource.struct_rusage | None:
    """Collect whoever has ended; returns the child's resource usage when it is among them."""
    usage = None
    while True:
        try:
            process, _, used = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return usage
        if process == 0:
            return usage
        if process == child:
            usage = used


def _belongs(path: str, owner: int) -> bool:
    try:
        return os.lstat(path).st_uid == owner
    except OSError:  # another process's, gone since the folder was read
        return False


def _empty(folder: str, owner: int | None) -> None:
    """Delete all that lies in a folder (nothing does where it was the child's own file system).

    With `owner`, only what is that user's: others use /dev/shm too.
    """
    if not os.path.isdir(folder):
        return

    def open_up(function: Callable[[str], object], path: str, _: object) -> None:
        with contextlib.suppress(OSError):
            os.chmod(os.path.dirname(path), 0o700)
            os.chmod(path, 0o700, follow_symlinks=False) if not os.path.islink(path) else None
            function(path)

    if owner is None:
        with contextlib.suppress(OSError):
            os.chmod(folder, 0o700)
    for name in _listed(folder):
        path = os.path.join(folder, name)
        if owner is not None and not _belongs(path, owner):
            continue
        if os.path.isdir(path) and not os.path.islink(path):
            for _ in range(
                2
            ):  # a folder that had to be opened up first leaves something for the second round
                shutil.rmtree(path, onerror=open_up)
        else:
            with contextlib.suppress(OSError):
                os.unlink(path)


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


class Zygote:
    """Answers the grader, and keeps an eye on the child."""

    def __init__(self, control: socket.socket, shell: Any) -> None:
        self.control = control
        self.shell = shell
        self.running: Learner | None = None
        self._unread = b""

    def serve(self) -> None:
        """Until the grader closes the socket; what runs then ends with it."""
        try:
            self._serve()
        finally:
            if self.running is not None:
                self.running.end()

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self.control], [], [], LOOK_SECONDS if self.running else None)
            if ready:
                try:
                    data, descriptors, _, _ = socket.recv_fds(self.control, 2**16, 2)
                except OSError:
                    return
                if not data:
                    return
                self._unread += data
                while b"\n" in self._unread:
                    line, _, self._unread = self._unread.partition(b"\n")
                    self._answer(json.loads(line), descriptors)
            self._watch()

    def _say(self, message: dict) -> None:
        self.control.sendall(json.dumps(message).encode() + b"\n")

    def _watch(self) -> None:
        """A child that ended takes with it what it left behind, at once: its
        pipes close with the last of them.
        """
        if self.running is None:
            return
        self.running.look()
        with contextlib.suppress(ChildProcessError):
            if os.waitid(os.P_PID, self.running.child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                _kill_all(self.running.confinement, self.running.child)

    def _answer(self, message: dict, descriptors: list[int]) -> None:
        asked = message["do"]
        if asked == "interrupt":
            if self.running is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.running.child, signal.SIGINT)
        elif asked == "stop":
            self._stop()
        elif asked == "start":
            self._start(_confinement(message["confinement"]), descriptors)
        elif asked == "probe":
            self._probe(_confinement(message["confinement"]), message["arguments"])

    def _stop(self) -> None:
        used = {"seconds": 0.0, "memory": 0}
        if self.running is not None:
            used = self.running.end() | {"why": self.running.why}
            self.running = None
        self._say({"stopped": used})

    def _start(self, confinement: Confinement, descriptors: list[int]) -> None:
        parent, child = os.getpid(), os.fork()
        if child == 0:
            self._become_worker(parent, confinement, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        self.running = Learner(child, confinement)
        self._say({"started": True})

    def _become_worker(self, parent: int, confinement: Confinement, read_from: int, write_to: int) -> None:
        from course_utils.grading.run import worker

        try:
            _leave_parent(keep=(read_from, write_to))
            confine(confinement)
            with contextlib.suppress(OSError, AttributeError):
                die_with_parent()
            if os.getppid() != parent:  # it died before it was asked for
                os._exit(1)
            os.chdir(confinement.scratch)
            _lay_out()
            _seed()
            worker.serve_shell(self.shell, read_from, write_to)
        except BaseException:
            if os.environ.get("COURSE_ZYGOTE_DEBUG"):
                traceback.print_exc()
        finally:
            os._exit(1)

    def _probe(self, confinement: Confinement, arguments: dict) -> None:
        """Fly the canaries in a child of their own."""
        here, there = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                _leave_parent(keep=(there,))
                confine(confinement)
                reached: dict[str, object] = {"reached": canaries.fly(arguments)}
            except BaseException as error:
                reached = {"fault": f"{type(error).__name__}: {error}"}
            try:
                os.write(there, json.dumps(reached).encode()[:60_000])
            finally:
                os._exit(0)
        os.close(there)
        self.running = Learner(child, confinement)
        found = b""
        while select.select([here], [], [], CANARY_SECONDS)[0] and (part := os.read(here, 2**16)):
            found += part
        os.close(here)
        self.running.end()
        self.running = None
        try:
            self._say(json.loads(found))
        except ValueError:
            self._say(
                {
                    "fault": (
                        f"the canaries did not come back within {CANARY_SECONDS:.0f} s; if this "
                        "machine is very busy, try again"
                    )
                }
            )


def _confinement(message: dict) -> Confinement:
    lists = {name: tuple(message[name]) for name in ("shared", "read")}
    return Confinement(**(message | lists | {"caps": Caps(**message["caps"])}))


def _leave_parent(keep: tuple[int, ...]) -> None:
    """A session of its own, no streams, no descriptor but its own."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    streams = (0, 1) if os.environ.get("COURSE_ZYGOTE_DEBUG") else (0, 1, 2)
    for stream in streams:
        os.dup2(nothing, stream)
    kept = sorted({0, 1, 2, *keep})
    for low, high in zip(kept, [*kept[1:], os.sysconf("SC_OPEN_MAX")]):
        os.closerange(low + 1, high)


def _lay_out() -> None:
    """The published datasets and the fetched files, made once outside, where this child's cache is."""
    for shared in filter(None, os.environ.get("COURSE_SHARED_DATA", "").split(os.pathsep)):
        seed = Path(shared)
        place = Path(os.environ["COURSE_CACHE"]) / seed.parent.name / seed.name
        place.mkdir(parents=True)
        for folder in seed.iterdir():
            (place / folder.name).symlink_to(folder)


def _seed() -> None:
    """The same random numbers for everybody, as far as the stack is imported."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def warm_up(lines: list[str]) -> list[str]:
    """Import what notebooks import; returns the names of the modules that are not there.

    What is missing on this machine is a learner's cell's matter.
    """
    missing = []
    for line in lines:
        try:
            if line.startswith(("import ", "from ")):
                exec(line, {})  # lines of a released notebook, or of the grader: never of a learner
            else:
                importlib.import_module(line)
        except ModuleNotFoundError as error:
            missing.append(error.name or line)
        except Exception:  # likewise
            continue
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    return missing


def main(descriptor: int) -> None:
    """Become the warm process that answers on a socket's descriptor."""
    control = socket.socket(fileno=descriptor)
    control.set_inheritable(False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.pop("PWD", None)
    with contextlib.suppress(OSError, AttributeError):
        hide_memory()
        if not _alone():
            prctl(_SUBREAPER, 1)
    greeting = b""
    while not greeting.endswith(b"\n"):
        part = control.recv(2**16)
        if not part:
            return
        greeting += part
    missing = warm_up(json.loads(greeting)["imports"])
    from course_utils.grading.run import worker

    worker.hide_the_graders_side()
    zygote = Zygote(control, worker.make_shell())
    gc.collect()
    gc.freeze()  # what is here now is never collected, so children share its pages
    zygote._say({"missing": missing})
    zygote.serve()
    os._exit(0)

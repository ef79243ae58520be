"""How much memory this process takes for itself while a block of code runs.

A file that is mapped into memory is not counted: its pages belong to the system, which
takes them back when it needs room.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

EVERY_SECONDS = 0.005  # how often the watch looks

Result = TypeVar("Result")


@dataclass
class MemoryUse:
    """grown: the most bytes of its own that the process held beyond those at the
    beginning. seconds: wall-clock time.
    """

    name: str
    grown: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.name}: at most {self.grown / 1e6:,.0f} MB more than before, {self.seconds:.1f} s"


def private_bytes() -> int:
    """Bytes in memory that belong to this process alone.

    On Linux, pages that come from files (`shared` in psutil's terms) are taken off, on Windows they are not
    in the figure. macOS does not tell the two apart, so there it is the whole resident size.
    """
    memory: Any = psutil.Process().memory_info()  # which fields it has depends on the system
    if hasattr(memory, "private"):
        return memory.private
    return memory.rss - getattr(memory, "shared", 0)


@contextmanager
def memory_watch(name: str, show: bool = True) -> Iterator[MemoryUse]:
    """Watch a block and print "name: at most 12 MB more than before, 1.3 s" at
    its end; gives the `MemoryUse`.

    It looks every few milliseconds: a peak that is over sooner goes unseen.
    """
    use, done = MemoryUse(name), threading.Event()
    begun, before = time.perf_counter(), private_bytes()

    def look() -> None:
        use.grown = max(use.grown, private_bytes() - before)

    def watch() -> None:
        while not done.wait(EVERY_SECONDS):
            look()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield use
    finally:
        done.set()
        watcher.join()
        look()
        use.seconds = time.perf_counter() - begun
        if show:
            print(use)


def watched_alone(name: str, work: Callable[..., Result], *arguments: Any) -> tuple[Result, MemoryUse]:
    """Run `work(*arguments)` in a new Python process, print its memory and return (result, `MemoryUse`).

    A process that has worked before keeps memory to use it again, and so hides what the next block
    takes; a new one has none. Function, arguments and result travel in files: the function may be a
    notebook's, with what it refers to.

    Raises:
        RuntimeError: if the work fails, with the end of what it printed.
    """
    import dill

    with tempfile.TemporaryDirectory() as folder:
        task, outcome = Path(folder) / "task", Path(folder) / "outcome"
        task.write_bytes(dill.dumps((name, work, arguments), recurse=True))
        command = f"from {__name__} import _work; _work({str(task)!r}, {str(outcome)!r})"
        ended = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
        if ended.returncode:
            raise RuntimeError(f"{name} failed in its process:\n{ended.stderr[-1000:]}")
        result, use = dill.loads(outcome.read_bytes())
    print(use)
    return result, use


def _work(task: str, outcome: str) -> None:
    """The new process's side of `watched_alone`.

    What the function refers to is imported before the watch begins.
    """
    import dill

    name, work, arguments = dill.loads(Path(task).read_bytes())
    with memory_watch(name, show=False) as use:
        result = work(*arguments)
    Path(outcome).write_bytes(dill.dumps((result, use)))

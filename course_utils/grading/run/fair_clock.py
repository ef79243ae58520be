"""A clock that stands still while a learner's processes wait for a processor.

On a machine that has too much to do, honest work takes several times as long by the clock. Linux counts how
long each thread has run, and how long it was ready and had to wait: the second number of
`/proc/<id>/schedstat` (the kernel's Documentation/scheduler/sched-stats.rst). What was waited is given back,
so the limit holds for the processor's time; what sleeps or waits for something else has the clock as before.
Threads that wait for one another get nothing back once they have used up the limit together. Where the kernel
does not count, this is a plain clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

MOST = 4.0  # times the limit, at most: by then something is wrong that waiting does not mend
LOOK_SECONDS = 5.0  # what ends sooner is not looked into

#: {thread: (seconds that it ran, seconds that it waited for a processor)}
Threads = dict[int, tuple[float, float]]


class FairClock:
    """Called, it tells how many seconds are left of `seconds`; `threads` reads whose clock it is."""

    def __init__(
        self,
        seconds: float,
        threads: Callable[[], Threads],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.given_back = 0.0
        self._seconds, self._threads, self._now = seconds, threads, now
        self._begun = now()
        self._first_look = min(LOOK_SECONDS, seconds / 4)
        self._before: Threads | None = None

    def __call__(self) -> float:
        """Seconds until somebody should ask again; 0 once the time is up."""
        passed = self._now() - self._begun
        if self._before is None:
            if passed < self._first_look:
                return self._first_look - passed
            self._before = self._threads()
        left = self._seconds + self.given_back - passed
        if left <= 0:
            self._give_back()
            left = self._seconds + self.given_back - passed
        return max(left, 0.0)

    def stop(self) -> float:
        """How many seconds were waited for a processor in all."""
        if self._before is not None:
            self._give_back()
        return self.given_back

    def _give_back(self) -> None:
        self.given_back = min(self._waited(), (MOST - 1) * self._seconds)

    def _waited(self) -> float:
        """How long the processes have waited for a processor, unless they have had their time of it."""
        before, waits, ran = self._before or {}, [0.0], 0.0
        for thread, (run, wait) in self._threads().items():
            run_before, wait_before = before.get(thread, (0.0, 0.0))
            ran += run - run_before
            waits.append(wait - wait_before)
        return max(waits) if ran < self._seconds else 0.0


def threads_below(process: int) -> Threads:
    """What the kernel has counted for each thread of a process and of all that it has started."""
    found: Threads = {}
    with suppress(psutil.Error):
        root = psutil.Process(process)
        for each in (root, *root.children(recursive=True)):
            with suppress(OSError):
                for task in Path(f"/proc/{each.pid}/task").iterdir():
                    with suppress(OSError, ValueError, IndexError):
                        run, wait, *_ = map(int, (task / "schedstat").read_text().split())
                        found[int(task.name)] = run / 1e9, wait / 1e9
    return found

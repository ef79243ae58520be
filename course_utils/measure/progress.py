"""Progress for work of more than a few seconds, which leaves nothing behind when it is done.

A notebook's stored outputs should hold results and no trace of bars; so the line is rewritten in place and
wiped.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

PATIENCE_SECONDS = 3.0  # quicker work shows nothing
EVERY_SECONDS = 0.5


class Progress:
    """A context that shows "label: done of total, about … left". Call `step(count)` as the work goes on."""

    def __init__(self, label: str, total: int) -> None:
        self.label, self.total, self.done = label, total, 0
        self.begun = self.shown = time.monotonic()
        self.line: Callable[[str], object] | None = None

    def __enter__(self) -> Progress:
        return self

    def step(self, count: int = 1) -> None:
        self.done += count
        now = time.monotonic()
        if now - self.begun > PATIENCE_SECONDS and now - self.shown > EVERY_SECONDS:
            self.shown = now
            left = (now - self.begun) / self.done * (self.total - self.done)
            self._show(f"{self.label}: {self.done} of {self.total}, about {duration(left)} left")

    def __exit__(self, *_: object) -> None:
        if self.line:
            self._show("")

    def _show(self, text: str) -> None:
        if self.line is None:
            self.line = _line()
        self.line(text)


def duration(seconds: float) -> str:
    """ "47 s", "3 min 05 s" or "2 h 10 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def _line() -> Callable[[str], None]:
    """A function that shows one line of text in place of the last: in a notebook, a terminal, or nowhere."""
    if _in_notebook():
        from IPython.display import Pretty, display

        handle = display(Pretty(""), display_id=True)
        return lambda text: handle.update(Pretty(text))
    if sys.stderr.isatty():
        return lambda text: print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    return lambda text: None


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")

"""One writer at a time in the folder of a class, whichever command or panel it comes from."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


class Busy(Exception):
    """Somebody else is writing into the class's folder; the message says so."""


@contextlib.contextmanager
def only_writer(out: Path) -> Iterator[None]:
    """One writer at a time in a class's folder; raises `Busy` for the second."""
    out.mkdir(parents=True, exist_ok=True)
    with open(out / ".lock", "w") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # this process's alone: a fork does not hold it
        except OSError:
            raise Busy(
                f"another `course grade` or `course feedback`, or formgrader, writes into {out}; wait for it "
                "to end"
            ) from None
        yield

"""Numbered messages over a pair of pipes, with a clock on every step.

A frame is a header (size, number, kind) and the payload. Sizes are checked before
anything is read, so the other side cannot make this one allocate more than its limit.
"""

from __future__ import annotations

import os
import select
import struct
import time
from collections.abc import Callable

#: How long something may take: seconds, or what tells how many are left, and is asked again after these.
Limit = float | Callable[[], float]

RUN = 1
ASK = 2
_HEADER = struct.Struct(">QQB")
_CHUNK = 2**16
_STALE_FRAMES = 1_000


class Pipe:
    """One end of a two-way channel: a descriptor to read from and one to write to."""

    def __init__(self, read_from: int, write_to: int) -> None:
        self._read_from = read_from
        self._write_to = write_to
        self._number = 0
        # A pipe that is written without blocking is one whose writer has a clock.
        os.set_blocking(write_to, False)

    def exchange(self, kind: int, payload: bytes, seconds: Limit, limit: int) -> bytes:
        """Send `payload` and return the reply to it, of at most `limit` bytes.

        Raises `TimeoutError` after `seconds` and `ConnectionError` when the
        other side has closed, sends too much, or floods us with stale replies.
        """
        deadline = seconds if callable(seconds) else time.monotonic() + seconds
        self._number += 1
        self.send(self._number, kind, payload, deadline)
        for _ in range(_STALE_FRAMES):
            number, _, reply = self.receive(limit, deadline)
            if number == self._number:
                return reply
        raise ConnectionError("the other side sends replies that nobody asked for")

    def send(self, number: int, kind: int, payload: bytes, deadline: Limit | None = None) -> None:
        """Write one frame; `deadline` is in `time.monotonic()` seconds, or tells how many are left."""
        for data in (_HEADER.pack(len(payload), number, kind), payload):
            view = memoryview(data)
            while view:
                _wait([], [self._write_to], deadline)
                try:
                    view = view[os.write(self._write_to, view[:_CHUNK]) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    raise ConnectionError("the process has ended") from None

    def receive(self, limit: int, deadline: Limit | None = None) -> tuple[int, int, bytes]:
        """Read one frame and return its number, kind and payload."""
        size, number, kind = _HEADER.unpack(self._read(_HEADER.size, deadline))
        if size > limit:
            raise ConnectionError(f"the other side sends {size:,} bytes; at most {limit:,} are read")
        return number, kind, self._read(size, deadline)

    def _read(self, size: int, deadline: Limit | None) -> bytes:
        parts, missing = [], size
        while missing:
            _wait([self._read_from], [], deadline)
            part = os.read(self._read_from, min(missing, 16 * _CHUNK))
            if not part:
                raise ConnectionError("the process has ended")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Close both descriptors."""
        for descriptor in (self._read_from, self._write_to):
            os.close(descriptor)


def _wait(readable: list[int], writable: list[int], deadline: Limit | None) -> None:
    while True:
        left = _left(deadline)
        if left is not None and left <= 0:
            raise TimeoutError
        if any(select.select(readable, writable, [], left)):
            return


def _left(deadline: Limit | None) -> float | None:
    if callable(deadline):
        return deadline()
    return None if deadline is None else deadline - time.monotonic()

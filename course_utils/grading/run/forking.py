"""Import once, before graders are forked, and make each fork cheap.

A fork pays for every page of memory that it shares, because the kernel has to list it once more, and for
every page that one of the two writes to afterwards, because that one is copied. The collector of cycles
writes to all objects that it looks at. So it looks no more at what was imported, and the memory lies in huge
pages where the kernel makes them: one entry in place of 512.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Iterator
from pathlib import Path

_HUGE = 2 * 2**20  # bytes of a huge page
_MAPS = Path("/proc/self/maps")
_COLLAPSE = 25  # MADV_COLLAPSE of madvise(2), since Linux 6.1


@contextlib.contextmanager
def forked_often() -> Iterator[None]:
    """What was made before this stays out of the collector's hands until the end, in pages cheap to share."""
    gc.freeze()
    gather_pages()
    try:
        yield
    finally:
        gc.unfreeze()


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """No collection meanwhile: imports make much that stays, and hardly any cycles that go."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def gather_pages() -> int:
    """Have the kernel put this process's own memory into huge pages; returns how many bytes lie in them now.

    Where it can't (an older kernel, another system), all stays as it is.
    """
    try:
        madvise = ctypes.CDLL(None).madvise
        maps = _MAPS.read_text().splitlines()
    except (OSError, AttributeError, TypeError):  # not Linux
        return 0
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    gathered = 0
    for first, end in _own_memory(maps):
        for page in range(-(-first // _HUGE) * _HUGE, end - _HUGE + 1, _HUGE):
            gathered += _HUGE * (madvise(page, _HUGE, _COLLAPSE) == 0)
    return gathered


def _own_memory(maps: list[str]) -> Iterator[tuple[int, int]]:
    """First byte and end of what is written to, shared with nobody and of no file, without the stack."""
    for line in maps:
        places, rights, _, _, file, *name = line.split()
        if rights.startswith("rw") and rights.endswith("p") and file == "0" and "[stack]" not in name:
            first, end = (int(place, 16) for place in places.split("-"))
            yield first, end

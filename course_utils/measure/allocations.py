"""What a piece of work allocates and frees, from PyTorch's own allocator, as the profiler notes it.

Exact on a CPU and on CUDA, also for what a kernel makes and frees within itself; CUDA's allocator rounds
sizes up. Apple's allocator tells the profiler nothing.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TypeVar

import torch
from torch.profiler import ProfilerActivity, profile

Result = TypeVar("Result")

KINDS = {"cpu": 0, "cuda": 1}  # c10/core/DeviceType.h


@dataclass(frozen=True)
class AllocationEvent:
    """at: microseconds of the profiler's clock. nbytes: less than 0 where memory is given back."""

    at: float
    nbytes: int
    address: int


@dataclass(frozen=True)
class Allocations:
    """Every allocation of a piece of work, in order, and the end of each that ended within it."""

    events: tuple[AllocationEvent, ...]

    @property
    def held(self) -> list[int]:
        """Bytes that are held after each event."""
        return list(accumulate(event.nbytes for event in self.events))

    @property
    def peak(self) -> int:
        """The most bytes that were held at once."""
        return max(self.held, default=0)

    @property
    def left(self) -> int:
        """Bytes that are still held when the work is done."""
        return sum(event.nbytes for event in self.events)


def allocations(work: Callable[[], Result], device: str | torch.device = "cpu") -> tuple[Result, Allocations]:
    """Run `work()` under the profiler and give (its result, its `Allocations` on that device).

    The result is held on to while the watch ends, so its bytes are among those that are left. Raises
    ValueError for a device whose allocator the profiler does not know.
    """
    kind = torch.device(device).type
    if kind not in KINDS:
        raise ValueError(f"The profiler sees no allocations of {kind!r}. Use one of: {', '.join(KINDS)}.")
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or the profiler prints two lines of its own
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (kind == "cuda")
    with profile(activities=activities, profile_memory=True) as watched:
        result = work()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        watched.export_chrome_trace(str(path))
        found = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    events = [
        AllocationEvent(each["ts"], each["args"]["Bytes"], each["args"]["Addr"])
        for each in found
        if each["name"] == "[memory]" and each["args"]["Device Type"] == KINDS[kind]
    ]
    return result, Allocations(tuple(_made_in_the_watch(sorted(events, key=lambda event: event.at))))


def _made_in_the_watch(events: list[AllocationEvent]) -> Iterator[AllocationEvent]:
    """Without what is given back of before: a CPU's allocator does not report it, CUDA's does."""
    there: set[int] = set()
    for event in events:
        if event.nbytes > 0:
            there.add(event.address)
        elif event.address not in there:
            continue
        else:
            there.remove(event.address)
        yield event

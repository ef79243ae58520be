"""What the allocator gave out and took back in a piece of work, as plain events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from course_utils.measure.allocations import allocations

MOST = 20_000  # events
NOT_OURS = ("site-packages", "<frozen", "??")


def record(work: Callable[[], object], device: str) -> dict[str, Any]:
    """events: [action, address, bytes, place] in order; a place is the innermost line of our own code.

    On CUDA they are the allocator's own history; on a CPU the profiler's, which knows no places.
    """
    events = history(work) if device == "cuda" else watched(work)
    return {"events": events[:MOST], "left_out": max(0, len(events) - MOST)}


def history(work: Callable[[], object]) -> list[list[Any]]:
    torch.cuda.memory._record_memory_history(max_entries=MOST * 5, context="all", stacks="python")
    try:
        work()
        found = torch.cuda.memory._snapshot()["device_traces"]
    finally:
        torch.cuda.memory._record_memory_history(enabled=None)
    return [
        [each["action"], each.get("addr"), each["size"], place(each.get("frames", []))]
        for traces in found
        for each in traces
    ]


def place(frames: list[dict[str, Any]]) -> str:
    """File and line, as in `train_slow.py:97`, of the first frame of our own code; "" where there is none."""
    for frame in frames:
        if not any(word in frame["filename"] for word in NOT_OURS):
            return f"{frame['filename'].rpartition('/')[2]}:{frame['line']}"
    return ""


def watched(work: Callable[[], object]) -> list[list[Any]]:
    _, found = allocations(work)
    return [
        ["alloc" if event.nbytes > 0 else "free_completed", event.address, abs(event.nbytes), ""]
        for event in found.events
    ]

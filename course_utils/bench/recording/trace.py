"""Three steps of the profiler, and of them what ran in one: regions, kernels and copies."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.profiler import ProfilerActivity, profile

KEPT = {"kernel", "gpu_memcpy", "gpu_memset", "user_annotation", "gpu_user_annotation"}
MOST = 6000  # events: about half a megabyte


def record(work: Callable[[], object], device: str, folder: Path) -> dict[str, Any]:
    """Run `work()` under the profiler, and give its events by start, from its first named region on.

    events: [kind, name, stream or thread, start, duration], times in microseconds from the first one on.
    left_out: how many more there were. Where nothing ran on a card, the operations that the CPU was asked for
    stand in.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or the profiler prints two lines of its own
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device == "cuda")
    with profile(activities=activities) as watched:
        work()
    path = folder / "trace.json"
    watched.export_chrome_trace(str(path))
    found = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    kinds = KEPT if device == "cuda" else KEPT | {"cpu_op"}
    events = sorted((each for each in found if each.get("cat") in kinds), key=lambda each: each["ts"])
    first = min(each["ts"] for each in events if each["cat"] == "user_annotation")
    events = [each for each in events if each["ts"] >= first]
    lines = [
        [each["cat"], each["name"], each["tid"], round(each["ts"] - first, 1), round(each["dur"], 1)]
        for each in events
    ]
    return {"events": lines[:MOST], "left_out": max(0, len(lines) - MOST)}

"""The story's script, `lessons/20_profiling/train_slow.py`, as found and mended place by place."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from statistics import mean
from types import ModuleType
from typing import Any

import torch

from course_utils.workplace import WORKBOOK

SCRIPT = WORKBOOK / "lessons" / "20_profiling" / "train_slow.py"


@dataclass(frozen=True)
class Version:
    """One state of the script.

    mended: the names of the places that are mended. autocast: forward and backward in bfloat16. compiled: the
    model goes through `torch.compile`.
    """

    name: str
    mended: tuple[str, ...] = ()
    autocast: bool = False
    compiled: bool = False


def script() -> ModuleType:
    """The story's script as a module."""
    spec = importlib.util.spec_from_file_location("train_slow", SCRIPT)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"{SCRIPT} is missing; clone the workbook once more.")
    module = importlib.util.module_from_spec(spec)
    sys.modules["train_slow"] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def versions(slow: type) -> list[Version]:
    """As found, then one more place mended each time, in the chapters' order, then bfloat16, then compiled.

    slow: the script's class of switches.
    """
    names = [field.name for field in fields(slow)]
    found = [Version("as found")]
    found += [Version(name, tuple(names[: number + 1])) for number, name in enumerate(names)]
    return [*found, Version("bfloat16", tuple(names), True), Version("compiled", tuple(names), True, True)]


def run(train_slow: Any, version: Version, plan: Any, device: str) -> tuple[Any, list[float]]:
    """(what the script's `train` returns, the milliseconds from each step to the next) of this version."""
    clock = StepTimes(device)
    load, log = train_slow.load_model, train_slow.log

    def load_model(base: str, slow: Any) -> Any:
        model = load(base, slow)
        if version.compiled:  # a dry run needs no compiler
            model.compile(backend="inductor" if device == "cuda" else "eager")
        return model

    def log_and_look(*given: Any) -> None:
        log(*given)
        clock.look()

    slow = replace(train_slow.Slow(), **dict.fromkeys(version.mended, False))
    # without its cache, which would keep the weights of the first step as long as this block lasts
    cast = torch.autocast(device, torch.bfloat16, cache_enabled=False) if version.autocast else nullcontext()
    train_slow.load_model, train_slow.log = load_model, log_and_look
    try:
        with cast:
            return train_slow.train(plan, slow, device), clock.milliseconds()
    finally:
        train_slow.load_model, train_slow.log = load, log


class StepTimes:
    """Looks at the time without making the card wait: on CUDA an event on the stream, else a clock."""

    def __init__(self, device: str) -> None:
        self.on_card = device == "cuda"
        self.marks: list[Any] = []

    def look(self) -> None:
        if self.on_card:
            self.marks.append(torch.cuda.Event(enable_timing=True))
            self.marks[-1].record()
        else:
            self.marks.append(1000 * time.perf_counter())

    def milliseconds(self) -> list[float]:
        """From each look to the next; waits until the card has come to the last."""
        if not self.on_card:
            return [later - earlier for earlier, later in pairwise(self.marks)]
        torch.cuda.synchronize()
        return [earlier.elapsed_time(later) for earlier, later in pairwise(self.marks)]


def record(
    train_slow: ModuleType, plan: Any, device: str, say: Callable[[str], object]
) -> Iterator[dict[str, Any]]:
    """Every version's figures, one after the other; `rows_a_second` is that of the later half of the steps.

    So it holds no compiling and no start, and it holds what a version does every second step. A version that
    fails (no compiler, too little memory) is written with its error, and the next one follows.
    """
    for version in versions(train_slow.Slow):
        by_token = "metric_by_token" not in version.mended
        measured = replace(plan, steps=max(5, plan.steps // 4)) if by_token else plan
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        try:
            result, steps = run(train_slow, version, measured, device)
        except (RuntimeError, ImportError) as error:
            yield {"version": version.name, "error": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
            continue
        peak = torch.cuda.max_memory_allocated() if device == "cuda" else None
        rate = 1000 * plan.batch / mean(steps[len(steps) // 2 :])
        say(f"{version.name:20} {rate:8.1f} dialogues a second")
        yield {
            "version": version.name, "batch": plan.batch, "rows_a_second": rate, "peak_bytes": peak,
            "milliseconds": steps, "losses": result.losses, "in_five": result.in_five,
        }  # fmt: skip


def prepared(train_slow: ModuleType, folder: Path, base: str, rows: list[dict[str, str]], **plan: int) -> Any:
    """A plan for these rows of {"dialogue", "summary"}, which are written into the folder."""
    path = folder / "rows.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return train_slow.Plan(base, path, folder / "out", **plan)

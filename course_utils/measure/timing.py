"""A stopwatch for a block of code."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass
class Lap:
    """seconds: how long the block took, set at its end. tokens: what it worked through, for the block to
    set.
    """

    name: str
    tokens: int = 0
    seconds: float | None = None

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        if self.seconds is None:
            return f"{self.name}: running"
        speed = f", {self.tokens_per_second:,.0f} tokens/s" if self.tokens else ""
        return f"{self.name}: {self.seconds:.1f} s{speed}"


@contextmanager
def stopwatch(name: str, tokens: int = 0, show: bool = True) -> Iterator[Lap]:
    """Time a block and print "name: 3.2 s, 1,540 tokens/s" at its end; gives the `Lap`.

    A GPU works on after a call has returned, so the clock is read only when it has finished.
    """
    lap = Lap(name, tokens)
    _finish_gpu_work()
    begun = time.perf_counter()
    try:
        yield lap
    finally:
        _finish_gpu_work()
        lap.seconds = time.perf_counter() - begun
        if show:
            print(lap)


def seconds_a_pass(model: torch.nn.Module, inputs: Mapping[str, torch.Tensor], passes: int = 10) -> float:
    """Seconds of one forward pass without gradients: the best of `passes` after two to
    warm up, as other work can only add.

    model: in eval mode. inputs: its keyword arguments, on its device.
    """
    import torch

    def timed() -> float:
        with stopwatch("a pass", show=False) as lap:
            model(**inputs)
        assert lap.seconds is not None, "the block has ended"
        return lap.seconds

    with torch.inference_mode():
        return min([timed() for _ in range(2 + passes)][2:])


def _finish_gpu_work() -> None:
    torch = sys.modules.get("torch")
    if torch and torch.accelerator.is_available():
        torch.accelerator.synchronize()

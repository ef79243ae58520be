"""A stopwatch for a block of code."""

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Lap:
    """seconds: how long the block took, set at its end. tokens: what it worked through, for the block to
    set.
    """

    name: str
    tokens: int = 0
    seconds: float | None = None

    @property
    def tokens_per_second(self):
        return self.tokens / self.seconds if self.seconds else 0.0

    def __str__(self):
        if self.seconds is None:
            return f"{self.name}: running"
        speed = f", {self.tokens_per_second:,.0f} tokens/s" if self.tokens else ""
        return f"{self.name}: {self.seconds:.1f} s{speed}"


@contextmanager
def stopwatch(name, tokens=0, show=True):
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


def seconds_a_pass(model, inputs, passes=10):
    """Seconds of one forward pass without gradients: the best of `passes` after two to
    warm up, as other work can only add.

    model: in eval mode. inputs: its keyword arguments, on its device.
    """
    import torch

    def timed():
        with stopwatch("a pass", show=False) as lap:
            model(**inputs)
        return lap.seconds

    with torch.inference_mode():
        return min([timed() for _ in range(2 + passes)][2:])


def _finish_gpu_work():
    torch = sys.modules.get("torch")
    if torch and torch.accelerator.is_available():
        torch.accelerator.synchronize()

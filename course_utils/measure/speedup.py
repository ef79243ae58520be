"""How many times as fast one piece of work is as another, measured side by side.

Milliseconds belong to a machine and to what else it is doing; a ratio of two that were measured in turn moves
much less, for what slows the machine slows both.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from math import comb

from course_utils.measure.timing import stopwatch

LEAST_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Speedup:
    """The median of `pairs` ratios, with an interval that holds the true median in 95 % of such measurements
    at least. 2.0: twice as fast; 0.5: half as fast.
    """

    value: float
    low: float
    high: float
    pairs: int

    def __str__(self) -> str:
        return f"{self.value:.1f} times [{self.low:.1f}, {self.high:.1f}] as fast, {self.pairs} pairs"


def speedup(before: Callable[[], object], after: Callable[[], object], pairs: int = 11) -> Speedup:
    """Time `before()` and `after()` in turn, `pairs` times, after one call of each to warm up.

    The interval is made of two of the sorted ratios and assumes no shape of them (Conover 1999, Practical
    Nonparametric Statistics, section 3.2). Raises ValueError for fewer than 6 pairs, of which no
    two ratios hold the median often enough.
    """
    if pairs < 6:
        raise ValueError(f"{pairs} pairs say too little: take 6 or more.")
    before(), after()
    ratios = sorted(_seconds(before) / _seconds(after) for _ in range(pairs))
    left_out = _left_out(pairs)
    return Speedup(statistics.median(ratios), ratios[left_out], ratios[-1 - left_out], pairs)


def _left_out(pairs: int) -> int:
    """How many ratios at each end may lie outside of the interval."""
    outside, count = 2 / 2**pairs, 0
    while outside + 2 * comb(pairs, count + 1) / 2**pairs <= 1 - LEAST_CONFIDENCE:
        count += 1
        outside += 2 * comb(pairs, count) / 2**pairs
    return count


def _seconds(work: Callable[[], object]) -> float:
    with stopwatch("", show=False) as lap:
        work()
    assert lap.seconds is not None, "the block has ended"
    return max(lap.seconds, 1e-9)  # a clock can be too coarse for work that is nothing

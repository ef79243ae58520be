"""A score never comes alone: it carries how many examples it rests on and a 95 % interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sized
from dataclasses import dataclass, field

NORMAL_975 = 1.959964  # the 97.5 % point of the normal distribution: 95 % lie within ± this many deviations


@dataclass(frozen=True)
class Score:
    """A mean over `n` examples with its 95 % interval from `low` to `high`.

    values: one number per example, in the order of the examples, so that two scores can be compared in pairs.
    """

    value: float
    low: float
    high: float
    n: int
    name: str = "score"
    values: tuple[float, ...] = field(default=(), repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}] n={self.n}"

    def __float__(self) -> float:
        return float(self.value)


def proportion(hits: Iterable[bool | float], name: str = "share") -> Score:
    """The share of true values among `hits`, with Wilson's interval (it stays within 0 and 1, and has a width
    at 0 and 1 too).

    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. JASA 22,
    209-212.
    """
    hits = [bool(hit) for hit in hits]
    n = _at_least_one(hits)
    share = sum(hits) / n
    z2 = NORMAL_975**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL_975 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Score(share, min(low, share), max(high, share), n, name, tuple(map(float, hits)))


def bootstrap(values: Iterable[float], seed: int = 0, resamples: int = 1000, name: str = "mean") -> Score:
    """The mean of `values` with the interval that holds the middle 95 % of the means of resampled sets.

    Efron, B. and Tibshirani, R. (1993). An Introduction to the Bootstrap, chapter 13 (percentile interval).
    """
    import numpy

    values = [float(value) for value in values]
    n = _at_least_one(values)
    draws = numpy.random.default_rng(seed).integers(0, n, size=(resamples, n))
    low, high = numpy.quantile(numpy.asarray(values)[draws].mean(axis=1), [0.025, 0.975])
    return Score(math.fsum(values) / n, float(low), float(high), n, name, tuple(values))


def difference(after: Score, before: Score, seed: int = 0, resamples: int = 1000) -> Score:
    """How much higher `after` is than `before`: the bootstrap of their differences, example by example.

    Both scores must come from the same examples in the same order, which makes the interval much narrower
    than that of two independent scores.
    """
    if not after.values or len(after.values) != len(before.values):
        raise ValueError(
            f"Only scores of the same examples can be compared in pairs: these have {len(after.values)} and "
            f"{len(before.values)} values. Evaluate both models on the same rows."
        )
    gains = [new - old for new, old in zip(after.values, before.values, strict=True)]
    return bootstrap(gains, seed, resamples, name=f"{after.name}: difference")


def mean_of(scores: Iterable[Score], seed: int = 0, resamples: int = 1000, name: str = "mean") -> Score:
    """The mean of several tasks' scores, each with the same weight however many examples it has.

    The interval is the bootstrap's, with every task's examples drawn again on their own (stratified).
    """
    import numpy

    scores = list(scores)
    _at_least_one(scores)
    if not all(score.values for score in scores):
        raise ValueError("The mean needs every score's values; make them by proportion() or bootstrap().")
    generator = numpy.random.default_rng(seed)
    means = sum(
        numpy.asarray(score.values)[generator.integers(0, score.n, size=(resamples, score.n))].mean(axis=1)
        for score in scores
    ) / len(scores)
    low, high = numpy.quantile(means, [0.025, 0.975])
    value = math.fsum(score.value for score in scores) / len(scores)
    return Score(value, float(low), float(high), sum(score.n for score in scores), name)


def _at_least_one(values: Sized) -> int:
    if not values:
        raise ValueError("A score needs at least one example, and there are none.")
    return len(values)

"""How many times as fast: a median of pairs, with its interval."""

import random

import pytest

from course_utils.measure import speedup as module
from course_utils.measure.speedup import Speedup, speedup


@pytest.fixture
def clock(monkeypatch):
    """Durations that a test gives: what a call took is what it returned."""
    monkeypatch.setattr(module, "_seconds", lambda work: work())


def test_it_is_the_median_of_the_ratios_in_pairs(clock):
    slow, fast = iter([9.0, *range(1, 12)]), iter([9.0] + 11 * [1.0])
    assert speedup(lambda: next(slow), lambda: next(fast)) == Speedup(6.0, 2.0, 10.0, 11)


def test_what_slows_both_changes_nothing(clock):
    busy = [1, *random.Random(0).choices((1, 10), k=11)]
    slow, fast = iter(3.0 * load for load in busy), iter(1.0 * load for load in busy)
    assert speedup(lambda: next(slow), lambda: next(fast)) == Speedup(3.0, 3.0, 3.0, 11)


def test_its_interval_holds_the_median_often_enough(clock):
    dice = random.Random(0)
    inside = 0
    for _ in range(500):
        found = speedup(lambda: dice.expovariate(1), lambda: 1.0, 9)
        inside += found.low <= 0.6931 <= found.high  # the median of such a draw is log 2
    assert inside >= 0.95 * 500


def test_real_work_is_timed():
    found = speedup(lambda: sum(range(200_000)), lambda: None, 6)
    assert found.low > 1 and found.pairs == 6


def test_too_few_pairs_are_refused():
    with pytest.raises(ValueError, match="6 or more"):
        speedup(lambda: None, lambda: None, 5)


def test_it_says_so_in_words():
    assert str(Speedup(2.04, 1.96, 2.11, 11)) == "2.0 times [2.0, 2.1] as fast, 11 pairs"

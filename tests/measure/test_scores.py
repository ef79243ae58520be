"""Scores and their intervals, against formulas worked out elsewhere and against simulation."""

import random

import pytest
from scipy.stats import binomtest

from course_utils.measure.scores import Score, bootstrap, difference, mean_of, proportion


def test_a_score_shows_its_interval_and_n():
    assert str(Score(0.87, 0.84, 0.9, 500)) == "0.87 [0.84, 0.90] n=500"
    assert float(Score(0.87, 0.84, 0.9, 500)) == 0.87


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (20, 20), (50, 100), (435, 500), (1, 1)])
def test_wilsons_interval_is_that_of_scipy(hits, n):
    score = proportion([True] * hits + [False] * (n - hits), "share")
    expected = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert (score.low, score.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert (score.value, score.n, len(score.values)) == (hits / n, n, n)


def covered(make_score, truth, rounds=400):
    """The share of simulated experiments whose interval holds the truth."""
    draw = random.Random(3)
    return sum((score := make_score(draw)).low <= truth <= score.high for _ in range(rounds)) / rounds


def test_wilsons_interval_holds_the_truth_about_95_times_in_100():
    share = covered(lambda draw: proportion([draw.random() < 0.9 for _ in range(100)]), truth=0.9)
    assert 0.92 <= share <= 0.98


def test_the_bootstrap_interval_holds_the_truth_about_95_times_in_100():
    share = covered(lambda draw: bootstrap([draw.random() for _ in range(100)], resamples=400), truth=0.5)
    assert 0.91 <= share <= 0.98


def test_the_bootstrap_is_seeded():
    values = [0.1, 0.92, 0.43, 0.74, 0.25, 0.36]
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1)
    assert bootstrap(values, seed=1) != bootstrap(values, seed=2)
    assert bootstrap(values).value == pytest.approx(2.8 / 6)


def test_one_example_has_no_width_and_none_is_refused():
    assert (bootstrap([0.5]).low, bootstrap([0.5]).high) == (0.5, 0.5)
    for make in (bootstrap, proportion):
        with pytest.raises(ValueError, match="at least one example"):
            make([])


def test_differences_are_paired():
    draw = random.Random(0)
    before = bootstrap([draw.random() for _ in range(200)], name="reviews")
    after = bootstrap([value + 0.05 for value in before.values])
    gain = difference(after, before)
    assert gain.value == pytest.approx(0.05)
    assert gain.high - gain.low < 1e-9  # every example gained the same: no doubt is left
    assert after.low < before.high  # although the two intervals overlap


def test_scores_of_different_examples_are_not_compared():
    with pytest.raises(ValueError, match="same rows"):
        difference(bootstrap([1, 2]), bootstrap([1, 2, 3]))
    with pytest.raises(ValueError, match="same rows"):
        difference(Score(1, 1, 1, 2), Score(1, 1, 1, 2))


def test_the_mean_of_tasks_gives_each_the_same_weight():
    mean = mean_of([proportion([True] * 300), proportion([False] * 50 + [True] * 50)])
    assert mean.value == pytest.approx(0.75)
    assert mean.n == 400
    assert mean.low == pytest.approx(0.70, abs=0.01)  # half of ± 0.098, the interval of 50 of 100
    assert mean.high == pytest.approx(0.80, abs=0.01)


def test_the_mean_of_nothing_or_of_bare_numbers_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        mean_of([])
    with pytest.raises(ValueError, match="every score's values"):
        mean_of([Score(0.5, 0.4, 0.6, 10)])

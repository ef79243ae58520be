"""Scores by group, and ablations."""

import pytest

from course_utils.measure import comparison
from course_utils.measure.scores import bootstrap


def test_groups_come_with_the_lowest_first():
    hits = [True, False, True, True, False, False]
    groups = ["Where", "Who", "Where", "When", "Who", "Where"]
    found = comparison.by_group(hits, groups)
    assert list(found) == ["Who", "Where", "When"]
    assert (found["Where"].value, found["Where"].n) == (pytest.approx(2 / 3), 3)
    assert list(comparison.by_group(hits, groups, least=2)) == ["Who", "Where"]


def test_every_hit_needs_its_group():
    with pytest.raises(ValueError, match="3 hits can't be sorted into 2 groups"):
        comparison.by_group([True, False, True], ["a", "b"])


def test_an_ablation_is_compared_row_by_row():
    full = bootstrap([0.2, 0.9, 0.4, 0.8] * 20)
    scores = {"full": full, "less": bootstrap([value - 0.1 for value in full.values]), "same": full}
    changes = comparison.ablation(scores)
    assert list(changes) == ["less", "same"]
    less = changes["less"]
    assert (less.value, less.low, less.high) == pytest.approx((-0.1, -0.1, -0.1)), "no noise is left in pairs"
    assert changes["same"].value == 0
    assert comparison.ablation(scores, baseline="less")["full"].value == pytest.approx(0.1)
    with pytest.raises(ValueError, match="no variant 'none'"):
        comparison.ablation(scores, baseline="none")

"""Scores by group, ablations, and pictures that say what they were given."""

import pytest

from course_utils.teach import comparison
from course_utils.teach.scores import bootstrap, proportion


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


def test_whiskers_fill_the_points_that_miss_the_line():
    figure = comparison.whiskers(
        {"all": proportion([True] * 30), "half": proportion([True, False] * 15)}, "title", "share", line=0.5
    )
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["all", "half"]
    assert (axes.get_title(), axes.get_xlabel()) == ("title", "share")
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert [line.get_fillstyle() for line in points] == ["full", "none"]


def test_coverage_shows_what_misses_in_black():
    (axes,) = comparison.coverage_picture([(0.1, 0.3), (0.4, 0.6)], 0.5, "title", "share").axes
    assert [line.get_color() for line in axes.lines[:2]] == ["black", "0.6"]
    assert axes.get_xlabel() == "share"


def test_shades_write_every_number():
    (axes,) = comparison.shades({"row": {"a": 0.25, "b": 1}, "other": {"a": 0, "b": 0.5}}, "title").axes
    assert [text.get_text() for text in axes.texts] == ["0.25", "1.00", "0.00", "0.50"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b"]


def test_a_learning_curve_marks_what_was_used_and_what_was_forecast():
    errors = {
        rows: proportion([True] * wrong + [False] * (100 - wrong))
        for rows, wrong in ((10, 49), (100, 40), (200, 30), (400, 22))
    }
    (axes,) = comparison.learning_curve(errors, [100, 200], lambda rows: 2 * rows**-0.35, "title").axes
    assert [bars.lines[0].get_marker() for bars in axes.containers] == ["x", "o", "o", "s"]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["10", "100", "200", "400"]

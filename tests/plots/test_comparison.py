"""Pictures for comparing systems say what they were given."""

from course_utils.measure.scores import proportion
from course_utils.plots import comparison


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

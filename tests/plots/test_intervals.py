"""The plot of intervals, and reading any such figure back from its axes."""

import pytest

from course_utils.measure.scores import Score
from course_utils.plots import grouped_bars
from course_utils.plots.intervals import intervals
from course_utils.plots.read_back import figure_as_data

SCORES = {"base": Score(0.2, 0.1, 0.4, 50), "LoRA": Score(0.6, 0.5, 0.65, 50)}


def as_scores(shown):
    return {name: (each["value"], each["low"], each["high"]) for name, each in shown.items()}


@pytest.mark.parametrize(
    ("figure", "label"),
    [
        (intervals(SCORES, "Two", "ROUGE-L"), "ROUGE-L"),
        (grouped_bars({"only": SCORES}, "Two", "exact match"), "exact match"),
    ],
)
def test_a_figure_shows_its_scores(figure, label):
    (axes,) = figure_as_data(figure)
    found = as_scores(axes["shown"])
    assert found.keys() == SCORES.keys() and axes["value_label"] == label
    for name, score in SCORES.items():
        assert found[name] == pytest.approx((score.value, score.low, score.high))


def test_every_point_says_its_n():
    (axes,) = intervals(SCORES, "Two", "ROUGE-L", at_least_from=0).axes
    assert [text.get_text() for text in axes.texts] == ["n=50", "n=50"]


def test_a_figure_without_whiskers_shows_none():
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().bar(["a", "b"], [1, 2])
    assert figure_as_data(figure)[0]["shown"] == {}


def test_whiskers_without_a_mark_have_no_value():
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().errorbar(["a"], [1], yerr=[0.5], fmt="none")
    assert figure_as_data(figure)[0]["shown"] == {"a": {"value": None, "low": 0.5, "high": 1.5}}

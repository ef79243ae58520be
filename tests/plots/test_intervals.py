"""Scores with intervals, and reading any such figure back from its axes."""

import pytest

from course_utils import plots
from course_utils.measure.scores import Score, proportion

SCORES = {"base": Score(0.2, 0.1, 0.4, 50), "LoRA": Score(0.6, 0.5, 0.65, 50)}


def score(value):
    return Score(value, value - 0.1, value + 0.05, 100)


def test_whiskers_fill_the_points_that_miss_the_line():
    figure = plots.whiskers(
        {"all": proportion([True] * 30), "half": proportion([True, False] * 15)}, "title", "share", line=0.5
    )
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["all", "half"]
    assert (axes.get_title(), axes.get_xlabel()) == ("title", "share")
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert [line.get_fillstyle() for line in points] == ["full", "none"]


def test_coverage_shows_what_misses_in_black():
    (axes,) = plots.coverage([(0.1, 0.3), (0.4, 0.6)], 0.5, "title", "share").axes
    assert [line.get_color() for line in axes.lines[:2]] == ["black", "0.6"]
    assert axes.get_xlabel() == "share"


def test_the_trade_off_names_its_points():
    axes = plots.trade_off({"replay": (score(0.5), score(0.8))}, "Trade", "old tasks", "new task").axes[0]
    assert [text.get_text() for text in axes.texts] == ["replay"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("old tasks", "new task")


def test_a_path_joins_its_points_in_order():
    points = {name: (score(x), score(1 - x)) for name, x in (("a", 0.2), ("b", 0.4), ("c", 0.6))}
    axes = plots.trade_off(points, "Trade", "old", "new", path=("c", "a")).axes[0]
    line = axes.lines[0]
    assert list(line.get_xdata()) == [0.6, 0.2]
    assert list(line.get_ydata()) == [0.4, 0.8]


def test_every_point_of_a_crowd_has_its_place_a_look_of_its_own_and_a_name():
    points = {
        f"way {number}": (Score(number, number - 0.5, number + 0.5, 10), Score(0.5, 0.4, 0.6, 10))
        for number in range(7)
    }
    figure = plots.trade_off(points, "Ways", "width", "height", crowded=True)
    drawn = [container[0] for container in figure.axes[0].containers]
    assert [line.get_xdata()[0] for line in drawn] == list(range(7))
    assert len({(line.get_marker(), line.get_markerfacecolor()) for line in drawn}) == 7
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(points)
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("width", "height")


def as_scores(shown):
    return {name: (each["value"], each["low"], each["high"]) for name, each in shown.items()}


@pytest.mark.parametrize(
    ("figure", "label"),
    [
        (plots.whiskers(SCORES, "Two", "ROUGE-L"), "ROUGE-L"),
        (plots.grouped_bars({"only": SCORES}, "Two", "exact match"), "exact match"),
    ],
)
def test_a_figure_shows_its_scores(figure, label):
    (axes,) = plots.figure_as_data(figure)
    found = as_scores(axes["shown"])
    assert found.keys() == SCORES.keys() and axes["value_label"] == label
    for name, score in SCORES.items():
        assert found[name] == pytest.approx((score.value, score.low, score.high))


def test_whiskers_say_their_n_when_they_are_asked():
    (axes,) = plots.whiskers(SCORES, "Two", "ROUGE-L", show_n=True).axes
    assert [text.get_text() for text in axes.texts] == ["n=50", "n=50"]


def test_a_figure_without_whiskers_shows_none():
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().bar(["a", "b"], [1, 2])
    assert plots.figure_as_data(figure)[0]["shown"] == {}


@pytest.mark.parametrize(
    "hide",
    [
        lambda axes, lines: lines.set_visible(False),
        lambda axes, lines: lines.set_alpha(0),
        lambda axes, lines: lines.set_linewidth(0),
        lambda axes, lines: lines.set_color("white"),
        lambda axes, lines: axes.set_visible(False),
        lambda axes, lines: axes.set_xlim(3, 4),
    ],
)
def test_whiskers_that_cannot_be_seen_are_not_there(hide):
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    drawn = axes.errorbar(["a"], [1], yerr=[0.5], fmt="o")
    assert plots.figure_as_data(figure)[0]["shown"] == {"a": {"value": 1.0, "low": 0.5, "high": 1.5}}
    hide(axes, drawn.lines[2][0])
    assert plots.figure_as_data(figure)[0]["shown"] == {}


def test_marks_names_and_labels_that_cannot_be_seen_are_not_there():
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    drawn = axes.errorbar(["a"], [1], yerr=[0.5], fmt="o", ecolor="black")
    axes.set_ylabel("score")
    drawn.lines[0].set_color("white")
    axes.yaxis.label.set_color("white")
    axes.xaxis.set_visible(False)
    (found,) = plots.figure_as_data(figure)
    assert found["shown"] == {"0.0": {"value": None, "low": 0.5, "high": 1.5}}
    assert found["value_label"] == ""


def test_a_dark_figure_is_read_too():
    from matplotlib import pyplot

    with pyplot.style.context("dark_background"):
        figure, axes = pyplot.subplots()
        axes.bar(["a"], [1], yerr=[0.5], ecolor="white")
        axes.set_ylabel("score")
    pyplot.close(figure)
    (found,) = plots.figure_as_data(figure)
    assert found["shown"] == {"a": {"value": 1.0, "low": 0.5, "high": 1.5}}
    assert found["value_label"] == "score"


def test_only_a_figure_can_be_read():
    from matplotlib import pyplot

    with pytest.raises(TypeError, match=r"matplotlib\.pyplot is none: begin with"):
        plots.figure_as_data(pyplot)


def test_whiskers_without_a_mark_have_no_value():
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().errorbar(["a"], [1], yerr=[0.5], fmt="none")
    assert plots.figure_as_data(figure)[0]["shown"] == {"a": {"value": None, "low": 0.5, "high": 1.5}}

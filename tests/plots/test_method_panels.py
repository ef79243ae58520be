"""Panels of quantities: one line a method, one circle a run."""

from course_utils.measure.scores import Score
from course_utils.plots.method_panels import Panel, method_panels


def test_every_run_is_a_circle_and_a_score_has_whiskers():
    panels = [
        Panel("time (s)", {"a": [1.0, 2.0], "b": [3.0]}, log=True),
        Panel("learned", {"a": [Score(0.5, 0.4, 0.6, 10)], "b": []}),
    ]
    figure = method_panels(panels, "two methods")
    left, right = figure.axes
    circles = [line for line in left.lines if line.get_marker() == "o"]
    assert sorted(line.get_xdata()[0] for line in circles) == [1.0, 2.0, 3.0] and left.get_xscale() == "log"
    assert [text.get_text() for text in left.get_yticklabels()] == ["a", "b"]
    assert any(list(line.get_xdata()) == [0.4, 0.6] for line in right.lines)
    assert left.get_ylim()[0] > left.get_ylim()[1]  # the first method stands at the top

"""Panels share an axis and show every row and every run."""

from course_utils import plots
from course_utils.measure.scores import Score


def test_histograms_share_their_axis_and_count_every_row():
    figure = plots.histograms({"prompts": [1, 2, 2, 90], "answers": [3, 4]}, "Lengths", "tokens")
    prompts, answers = figure.axes
    assert sum(bar.get_height() for bar in prompts.patches) == 4
    assert sum(bar.get_height() for bar in answers.patches) == 2
    assert prompts.get_xlim() == answers.get_xlim()
    assert answers.get_xlabel() == "tokens"


def test_a_panel_a_line_with_a_dot_a_row():
    figure = plots.scatter_rows({"one": [3, 1, 2], "two": [0, 5]}, "Rows", "came out", "stood")
    assert [axes.get_title() for axes in figure.axes] == ["one", "two"]
    assert list(figure.axes[0].lines[0].get_ydata()) == [3, 1, 2]
    assert figure.axes[0].get_xlabel() == "came out" and figure.axes[0].get_ylabel() == "stood"


def test_every_run_is_a_circle_and_a_score_has_whiskers():
    panels = [
        plots.Panel("time (s)", {"a": [1.0, 2.0], "b": [3.0]}, log=True),
        plots.Panel("learned", {"a": [Score(0.5, 0.4, 0.6, 10)], "b": []}),
    ]
    figure = plots.method_panels(panels, "two methods")
    left, right = figure.axes
    circles = [line for line in left.lines if line.get_marker() == "o"]
    assert sorted(line.get_xdata()[0] for line in circles) == [1.0, 2.0, 3.0] and left.get_xscale() == "log"
    assert [text.get_text() for text in left.get_yticklabels()] == ["a", "b"]
    assert any(list(line.get_xdata()) == [0.4, 0.6] for line in right.lines)
    assert left.get_ylim()[0] > left.get_ylim()[1]  # the first method stands at the top

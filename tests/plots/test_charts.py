"""Plots: the right numbers, told apart without colour, with labels and units."""

import io

import pytest

from course_utils import plots
from course_utils.measure.scores import Score


def score(value):
    return Score(value, value - 0.1, value + 0.05, 100)


@pytest.fixture
def bars():
    stages = {f"stage {number}": {"sentiment": score(0.2 + number / 10)} for number in range(5)}
    return plots.grouped_bars(stages, "Scores", "score, 0 to 1")


def test_bars_have_heights_and_intervals(bars):
    axes = bars.axes[0]
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([0.2, 0.3, 0.4, 0.5, 0.6])
    (interval,) = axes.collections[0].get_segments()
    ends = interval[:, 1]
    assert ends == pytest.approx([0.1, 0.25])


def test_bars_differ_in_shade_or_hatch_and_have_no_colour(bars):
    patches = bars.axes[0].patches
    assert len({(patch.get_facecolor(), patch.get_hatch()) for patch in patches}) == len(patches)
    for patch in patches:
        red, green, blue, _ = patch.get_facecolor()
        assert red == green == blue


def test_axes_say_what_they_show(bars):
    axes = bars.axes[0]
    assert axes.get_title() == "Scores"
    assert axes.get_ylabel() == "score, 0 to 1"
    assert [text.get_text() for text in bars.legends[0].get_texts()] == [f"stage {n}" for n in range(5)]


LOG = [
    {"loss": 3.0, "step": 10},
    {"eval_loss": 2.5, "step": 10},
    {"loss": 2.0, "step": 20},
    {"train_runtime": 5.0, "step": 20},
]


def test_the_loss_curve_takes_the_trainers_log():
    axes = plots.loss_curve(LOG).axes[0]
    training, evaluation = axes.lines
    assert list(training.get_xdata()) == [10, 20]
    assert list(training.get_ydata()) == [3.0, 2.0]
    assert list(evaluation.get_ydata()) == [2.5]
    assert training.get_linestyle() != evaluation.get_linestyle()
    assert axes.get_xlabel() == "optimizer steps"
    assert "nats" in axes.get_ylabel()


def test_a_log_without_a_loss_is_explained():
    with pytest.raises(ValueError, match="logging_steps"):
        plots.loss_curve([{"train_runtime": 5.0, "step": 20}])


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


def test_score_curves_have_intervals_and_differ_without_colour():
    lines = {f"task {n}": [(0, score(0.9)), (50, score(0.2 + n / 10))] for n in range(5)}
    axes = plots.score_curves(lines, "Scores", "steps", "score").axes[0]
    drawn = [container.lines[0] for container in axes.containers]
    assert list(drawn[1].get_ydata()) == pytest.approx([0.9, 0.3])
    assert len({(line.get_linestyle(), line.get_marker()) for line in drawn}) == 5
    ends = axes.collections[0].get_segments()[0][:, 1]
    assert ends == pytest.approx([0.8, 0.95])


def test_a_heat_map_writes_every_score_in_a_readable_shade():
    rows = {"before": {"sentiment": score(0.9), "summary": score(0.1)}, "after": {"summary": score(0.8)}}
    axes = plots.heat_map(rows, "Forgetting").axes[0]
    found = {text.get_text().split("\n")[0]: text.get_color() for text in axes.texts}
    assert found == {"0.90": "black", "0.10": "white", "0.80": "black"}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["before", "after"]
    assert axes.images[0].get_cmap().name == "gray"


def test_a_ranking_begins_at_the_top():
    axes = plots.ranking({"best": 0.7, "second": 0.2}, "Next token", "probability").axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.7, 0.2]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["best", "second"]
    assert axes.yaxis_inverted()


def test_histograms_share_their_axis_and_count_every_row():
    figure = plots.histograms({"prompts": [1, 2, 2, 90], "answers": [3, 4]}, "Lengths", "tokens")
    prompts, answers = figure.axes
    assert sum(bar.get_height() for bar in prompts.patches) == 4
    assert sum(bar.get_height() for bar in answers.patches) == 2
    assert prompts.get_xlim() == answers.get_xlim()
    assert answers.get_xlabel() == "tokens"


def test_a_token_grid_writes_every_token_and_darkens_the_hidden():
    axes = plots.token_grid([[5, 1, -100], [7, 8, 1]], "Labels").axes[0]
    assert [text.get_text() for text in axes.texts] == ["5", "1", "-100", "7", "8", "1"]
    assert axes.images[0].get_array().tolist() == [[0, 0, 1], [0, 0, 0]]


def test_figures_can_be_saved_and_are_not_kept_open(bars):
    from matplotlib import pyplot

    assert pyplot.get_fignums() == []
    file = io.BytesIO()
    bars.savefig(file, format="png")
    assert file.getvalue().startswith(b"\x89PNG")

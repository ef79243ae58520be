"""Bars: the right heights, told apart without colour, with labels and units."""

import io

import pytest

from course_utils import plots
from course_utils.measure import cost
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

        red, green, blue, _ = patch.get_facecolor()
        assert red == green == blue


def test_axes_say_what_they_show(bars):
    axes = bars.axes[0]
    assert axes.get_title() == "Scores"
    assert axes.get_ylabel() == "score, 0 to 1"
    assert [text.get_text() for text in bars.legends[0].get_texts()] == [f"stage {n}" for n in range(5)]


def test_a_ranking_begins_at_the_top():
    axes = plots.ranking({"best": 0.7, "second": 0.2}, "Next token", "probability").axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.7, 0.2]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["best", "second"]
    assert axes.yaxis_inverted()


def test_figures_can_be_saved_and_are_not_kept_open(bars):
    from matplotlib import pyplot

    assert pyplot.get_fignums() == []
    file = io.BytesIO()
    bars.savefig(file, format="png")
    assert file.getvalue().startswith(b"\x89PNG")


def test_starts_stand_upwards_and_ends_downwards_told_apart_by_hatch():
    axes = plots.start_and_end(["a", "b"], [0.9, 0.1], [0.2, 0.8]).axes[0]
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([0.9, 0.1, -0.2, -0.8])
    assert axes.patches[0].get_hatch() != axes.patches[2].get_hatch()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b"]
    assert axes.get_ylabel() == "probability"


def test_it_wants_a_number_for_each_token():
    with pytest.raises(ValueError, match="2 tokens need as many numbers"):
        plots.start_and_end(["a", "b"], [0.9], [0.2, 0.8])


def test_the_shares_of_memory_name_models_totals_and_cards():
    size = cost.models()["flan-t5-base"]
    found = cost.training_memory(size, cost.Tokens(8, 512, 64), cost.RECIPES["all weights, bfloat16"])
    figure = plots.memory_shares({"base": found}, cost.accelerators(), "title")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["base"]
    assert f"{found.total / 1e9:,.1f} GB  (fits T4)" in [text.get_text() for text in axes.texts]

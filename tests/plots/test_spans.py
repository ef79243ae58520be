"""The plot of starts and ends."""

import pytest

from course_utils.plots.spans import start_and_end


def test_starts_stand_upwards_and_ends_downwards_told_apart_by_hatch():
    axes = start_and_end(["a", "b"], [0.9, 0.1], [0.2, 0.8]).axes[0]
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([0.9, 0.1, -0.2, -0.8])
    assert axes.patches[0].get_hatch() != axes.patches[2].get_hatch()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b"]
    assert axes.get_ylabel() == "probability"


def test_it_wants_a_number_for_each_piece():
    with pytest.raises(ValueError, match="2 pieces need as many numbers"):
        start_and_end(["a", "b"], [0.9], [0.2, 0.8])

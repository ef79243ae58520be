"""The figures hold what was given to them, and refuse what does not fit."""

import numpy as np
import pytest

from course_utils.plots.pictures import picture_sheet, scatter_rows, spans


def test_a_panel_a_line_with_a_dot_a_row():
    figure = scatter_rows({"one": [3, 1, 2], "two": [0, 5]}, "Rows", "came out", "stood")
    assert [axes.get_title() for axes in figure.axes] == ["one", "two"]
    assert list(figure.axes[0].lines[0].get_ydata()) == [3, 1, 2]
    assert figure.axes[0].get_xlabel() == "came out" and figure.axes[0].get_ylabel() == "stood"


def test_a_sheet_shows_each_picture_with_its_words():
    images = [np.full((4, 4, 3), shade, dtype=np.uint8) for shade in (0, 100, 200)]
    figure = picture_sheet(images, ["a", "b", "c"], "Sheet", columns=2)
    shown = [axes for axes in figure.axes if axes.images]
    assert len(figure.axes) == 4 and len(shown) == 3
    assert [axes.get_title() for axes in shown] == ["a", "b", "c"]
    assert shown[2].images[0].get_array().max() == 200


@pytest.mark.parametrize("words", [[], ["a", "b"]])
def test_a_text_for_each_picture_is_asked_for(words):
    with pytest.raises(ValueError, match="a text for each"):
        picture_sheet([np.zeros((2, 2))], words)


def test_spans_lie_where_they_begin_and_are_as_long_as_they_are():
    axes = spans([(0, 10), (8, 20)], "Pieces", "tokens").axes[0]
    assert [(bar.get_x(), bar.get_width()) for bar in axes.patches] == [(0, 10), (8, 12)]
    assert axes.get_xlabel() == "tokens"

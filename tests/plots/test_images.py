"""The sheet holds what was given to it, and refuses what does not fit."""

import numpy as np
import pytest

from course_utils import plots


def test_a_sheet_shows_each_picture_with_its_words():
    images = [np.full((4, 4, 3), shade, dtype=np.uint8) for shade in (0, 100, 200)]
    figure = plots.picture_sheet(images, ["a", "b", "c"], "Sheet", columns=2)
    shown = [axes for axes in figure.axes if axes.images]
    assert len(figure.axes) == 4 and len(shown) == 3
    assert [axes.get_title() for axes in shown] == ["a", "b", "c"]
    assert shown[2].images[0].get_array().max() == 200


@pytest.mark.parametrize("words", [[], ["a", "b"]])
def test_a_text_for_each_picture_is_asked_for(words):
    with pytest.raises(ValueError, match="a text for each"):
        plots.picture_sheet([np.zeros((2, 2))], words)

"""Pictures in a grid."""

import numpy
import pytest

from course_utils.teach.gallery import gallery

PICTURE = numpy.zeros((4, 4, 3), dtype=numpy.uint8)


def test_each_picture_has_its_caption_and_spare_places_stay_empty():
    figure = gallery([PICTURE] * 5, list("abcde"), "Five", columns=3)
    shown = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in shown] == list("abcde")
    assert len(figure.axes) == 6
    assert figure.get_suptitle() == "Five"


def test_it_wants_one_caption_a_picture():
    with pytest.raises(ValueError, match="one caption a picture"):
        gallery([PICTURE], [], "None")
    with pytest.raises(ValueError, match="0 pictures"):
        gallery([], [], "None")

"""Boxes and the arrows between them."""

import pytest

from course_utils.plots import diagrams
from course_utils.plots.diagrams import Arrow, Box


@pytest.mark.parametrize(
    ("start", "end", "begin", "finish"),
    [
        (Box(10, 30, ""), Box(50, 30, ""), (17.5, 30), (42.5, 30)),
        (Box(50, 30, ""), Box(10, 30, ""), (42.5, 30), (17.5, 30)),
        (Box(10, 10, ""), Box(10, 40, ""), (10, 14.5), (10, 35.5)),
        (Box(10, 40, ""), Box(50, 10, ""), (15.5, 35.5), (44.5, 14.5)),
    ],
)
def test_arrows_join_the_sides_that_face_each_other(start, end, begin, finish):
    assert diagrams._meeting_points(start, end) == (begin, finish)


def test_an_arrow_between_unknown_boxes_is_an_error():
    with pytest.raises(KeyError):
        diagrams.diagram({"one": Box(10, 10, "one")}, [Arrow("one", "two")], "title")

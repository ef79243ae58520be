"""Points with names beside the plot."""

from course_utils.measure.scores import Score
from course_utils.plots.marked_points import marked_points


def test_every_point_has_its_place_a_look_of_its_own_and_a_name():
    points = {
        f"way {number}": (Score(number, number - 0.5, number + 0.5, 10), Score(0.5, 0.4, 0.6, 10))
        for number in range(7)
    }
    figure = marked_points(points, "Ways", "width", "height")
    drawn = [container[0] for container in figure.axes[0].containers]
    assert [line.get_xdata()[0] for line in drawn] == list(range(7))
    assert len({(line.get_marker(), line.get_markerfacecolor()) for line in drawn}) == 7
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(points)
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("width", "height")

"""Pictures of several ranks: what is drawn where."""

from course_utils.plots.ranks import lanes, logarithmic, pieces_over_steps


def test_each_step_is_a_grid_with_its_counts():
    made = pieces_over_steps([[[1, 1], [1, 1]], [[2, 1], [1, 2]]], "two ranks")
    first, second = made.axes
    assert [axes.get_title() for axes in (first, second)] == ["start", "step 1"]
    assert [text.get_text() for text in second.texts] == ["2", "1", "1", "2"]
    assert [text.get_text() for text in first.get_yticklabels()] == ["rank 0", "rank 1"]


def test_a_line_and_its_points_go_together_on_axes_that_grow_by_factors():
    made = logarithmic(
        {"ring": [(1, 10), (100, 1000)]}, {"ring": [(10, 90)], "alone": [(20, 30)]}, "", "bytes", "ms"
    )
    (axes,) = made.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    names = [text.get_text() for text in made.legends[0].get_texts()]
    assert names == ["ring", "ring, measured", "alone"]
    assert [len(line.get_xdata()) for line in axes.lines] == [2, 1, 1]


def test_boxes_stand_where_they_begin_and_end():
    made = lanes({"computing": [("1", 0, 2), ("2", 2, 3)], "sending": [("1", 2, 6)]}, "", "seconds")
    (axes,) = made.axes
    assert [(box.get_x(), box.get_width()) for box in axes.patches] == [(0, 2), (2, 1), (2, 4)]
    assert [text.get_text() for text in axes.texts] == ["1", "2", "1"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["computing", "sending"]

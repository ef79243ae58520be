"""Spans and timetables lie where they begin and are as long as they are."""

from course_utils import plots


def test_spans_lie_where_they_begin_and_are_as_long_as_they_are():
    axes = plots.spans([(0, 10), (8, 20)], "Pieces", "tokens").axes[0]
    assert [(bar.get_x(), bar.get_width()) for bar in axes.patches] == [(0, 10), (8, 12)]
    assert axes.get_xlabel() == "tokens"


def test_a_timetable_has_a_bar_for_each_entry():
    figure = plots.timetable({"one": [("a", 3), ("b", 4)], "two": [("c", 5)]}, "title", "minutes", 7)
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [3, 4, 5]
    assert axes.get_xlabel() == "minutes" and axes.get_xlim() == (0, 7)

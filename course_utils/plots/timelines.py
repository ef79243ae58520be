"""Spans on an axis: where the chunks of a long text lie, and how long the steps of a plan take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from course_utils.plots.figure import figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def spans(ends: Sequence[tuple[float, float]], title: str, x_label: str) -> Figure:
    """Pieces of something long, one under the other. ends: [(begin, end), …]."""
    made, axes = figure(title, width=8, height=1.2 + 0.3 * len(ends))
    lines = range(1, len(ends) + 1)
    axes.barh(
        lines,
        [end - begin for begin, end in ends],
        left=[begin for begin, _ in ends],
        color="0.75",
        edgecolor="black",
    )
    axes.invert_yaxis()
    axes.set_yticks(lines)
    axes.set_ylabel("piece")
    axes.set_xlabel(x_label)
    return made


def timetable(
    rows: Mapping[str, Sequence[tuple[str, float]]], title: str, unit: str, longest: float
) -> Figure:
    """Lines of boxes as long as they take. rows: {line: [(name, length), …]}; longest: of all lines."""
    made, axes = figure(title, width=9, height=1.2 + 0.6 * len(rows))
    for line, lengths in enumerate(rows.values()):
        left = 0.0
        for number, (name, length) in enumerate(lengths):
            colour = "0.8" if number % 2 else "white"
            # not clipped: the longest line ends where the axis does, and would lose half of its edge
            axes.barh(line, length, left=left, color=colour, edgecolor="black", clip_on=False)
            axes.text(left + length / 2, line, name, ha="center", va="center")
            left += length
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    axes.set_xlim(0, longest or 1)
    axes.set_xlabel(unit)
    return made

"""Diagrams: boxes joined by arrows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from course_utils.plots.figure import figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Point = tuple[float, float]


class Box(NamedTuple):
    """A box of a drawing. x, y: its centre; the drawing is 100 wide and 60 high. shade: a matplotlib grey."""

    x: float
    y: float
    text: str
    width: float = 15
    height: float = 9
    shade: str = "white"


class Arrow(NamedTuple):
    """From one box to another, or both ways. dashed: now and then. shift: moves its words from the middle."""

    start: str
    end: str
    text: str = ""
    both: bool = False
    dashed: bool = False
    shift: tuple[float, float] = (0, 0)


def diagram(boxes: Mapping[str, Box], arrows: Sequence[Arrow], title: str, height: float = 6) -> Figure:
    """Boxes joined by arrows. boxes: {name: Box}; arrows: a list of Arrow between
    those names. height: in inches.
    """
    made, axes = figure(title, width=10, height=height)
    axes.set_xlim(0, 104)
    low = min(box.y - box.height for box in boxes.values())
    axes.set_ylim(max(0, low), 62)
    axes.axis("off")
    for box in boxes.values():
        _box(axes, box)
    for arrow in arrows:
        _arrow(axes, arrow, boxes[arrow.start], boxes[arrow.end])
    return made


def _box(axes: Axes, box: Box) -> None:
    from matplotlib.patches import FancyBboxPatch

    corner = (box.x - box.width / 2, box.y - box.height / 2)
    patch = FancyBboxPatch(
        corner, box.width, box.height, boxstyle="round,pad=0,rounding_size=1", fc=box.shade, ec="black"
    )
    axes.add_patch(patch)
    axes.text(box.x, box.y, box.text, ha="center", va="center", fontsize=8.5)


def _arrow(axes: Axes, arrow: Arrow, start: Box, end: Box) -> None:
    begin, finish = _meeting_points(start, end)
    look = {
        "arrowstyle": "<|-|>" if arrow.both else "-|>",
        "linestyle": "--" if arrow.dashed else "-",
        "color": "black",
    }
    axes.annotate("", xy=finish, xytext=begin, arrowprops=look)
    x, y = ((one + other) / 2 + move for one, other, move in zip(begin, finish, arrow.shift, strict=True))
    axes.text(x, y, arrow.text, ha="center", va="center", fontsize=8, style="italic")


def _meeting_points(start: Box, end: Box) -> tuple[Point, Point]:
    """Where an arrow leaves one box and meets the other: on the sides that face each other."""
    if abs(start.y - end.y) >= (start.height + end.height) / 2:
        side = 1 if end.y > start.y else -1
        begin = _within(end.x, start), start.y + side * start.height / 2
        return begin, (_within(start.x, end), end.y - side * end.height / 2)
    side = 1 if end.x > start.x else -1
    return (start.x + side * start.width / 2, start.y), (end.x - side * end.width / 2, end.y)


def _within(x: float, box: Box) -> float:
    """x, or the nearest place to it over the box, a little inside its corners."""
    inside = box.width / 2 - 2
    return min(max(x, box.x - inside), box.x + inside)

"""An empty figure in the look of the house: no more ink than needed, and shown once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from course_utils.measure.scores import Score

#: shade and hatch of the 1st, 2nd, … bar of a group: told apart in black and white
LOOKS = (
    ("white", ""),
    ("0.75", ""),
    ("0.45", ""),
    ("white", "///"),
    ("0.75", "xxx"),
    ("white", "..."),
)
#: A picture's ground: white on a white page, and on a dark one a soft grey in place of a glaring white. There
#: is no grey for text that has a contrast of 4.5 on both pages, so a picture brings a ground of its own.
GROUND = (1.0, 1.0, 1.0, 0.8)
DASHES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "x", "D")


def figure(
    title: str = "", width: float = 6.4, height: float = 4.0, title_size: str | float = "large"
) -> tuple[Figure, Axes]:
    """A figure of so many inches and its axes, under a title."""
    made, axes = _closed(figsize=(width, height))
    axes.set_title(title, fontsize=title_size)
    axes.spines[["top", "right"]].set_visible(False)
    return made, axes


def panels(
    rows: int, columns: int, title: str, width: float, height: float, **shared: Any
) -> tuple[Figure, Sequence[Axes]]:
    """A figure of so many inches with rows x columns axes, in reading order, under one
    title; `shared`: sharex, sharey.
    """
    made, grid = _closed(rows, columns, squeeze=False, figsize=(width, height), **shared)
    for axes in grid.flat:
        axes.spines[["top", "right"]].set_visible(False)
    made.suptitle(title)
    return made, list(grid.flat)


def whisker_lengths(scores: Sequence[Score]) -> tuple[list[float], list[float]]:
    """How far the intervals of scores reach below and above their values, as `errorbar` and `bar` take it."""
    return [score.value - score.low for score in scores], [score.high - score.value for score in scores]


def _closed(*shape: int, **options: Any) -> tuple[Figure, Any]:
    """What `pyplot.subplots` makes, closed for pyplot at once, or a notebook would show it a second time."""
    from matplotlib import pyplot

    without = {"facecolor": "none"}
    made, axes = pyplot.subplots(
        *shape, layout="constrained", facecolor=GROUND, subplot_kw=without, **options
    )
    pyplot.close(made)
    return made, axes

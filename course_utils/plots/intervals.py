"""Scores with their 95 % intervals: one line a score, both ways in a plane, and how
often intervals hold the truth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, repeat
from typing import TYPE_CHECKING, Any

from course_utils.measure.scores import Score
from course_utils.plots.figure import MARKERS, figure, whisker_lengths

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def whiskers(
    scores: Mapping[str, Score], title: str, x_label: str, line: float | None = None, show_n: bool = False
) -> Figure:
    """Each `Score` as a point with its interval, the first at the top. scores: {name: Score}.

    line: a value to hold them against, drawn dashed; an interval that misses it is drawn with a filled point.
    show_n: writes each score's n at the right.
    """
    made, axes = figure(title, width=7.2, height=1.2 + 0.4 * len(scores), title_size="medium")
    for place, score in enumerate(scores.values()):
        misses = line is not None and not score.low <= line <= score.high
        axes.errorbar(
            score.value,
            place,
            xerr=whisker_lengths([score]),
            fmt="o",
            color="black",
            elinewidth=1,
            fillstyle="full" if misses else "none",
        )
        if show_n:
            text = f"n={score.n}"
            axes.text(1.01, place, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8)
    if line is not None:
        axes.axvline(line, linestyle="--", color="0.5", linewidth=1)
    axes.set_yticks(range(len(scores)), scores)
    axes.set_ylim(len(scores) - 0.5, -0.5)
    axes.set_xlabel(x_label)
    return made


def trade_off(
    points: Mapping[str, tuple[Score, Score]],
    title: str,
    x_label: str,
    y_label: str,
    path: Sequence[str] = (),
    crowded: bool = False,
) -> Figure:
    """Named points with intervals in both directions. points: {name: (Score along x, Score along y)}.

    path: names of points that a dashed line joins in this order. crowded: for points that lie close together:
    they are told apart by marker and shade, and their names stand beside the plot instead of at each point.
    """
    made, axes = figure(title, width=8 if crowded else 6.4)
    joined = [tuple(score.value for score in points[name]) for name in path]
    if joined:
        axes.plot(*zip(*joined, strict=True), "--", color="0.6", zorder=0)
    looks = _told_apart() if crowded else repeat({"marker": "o", "capsize": 3})
    for (name, (x, y)), look in zip(points.items(), looks, strict=False):
        axes.errorbar(
            x.value,
            y.value,
            xerr=whisker_lengths([x]),
            yerr=whisker_lengths([y]),
            linestyle="none",
            color="black",
            label=name,
            **look,
        )
        if not crowded:
            axes.annotate(name, (x.value, y.value), xytext=(6, 6), textcoords="offset points")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    if crowded:
        made.legend(loc="outside right center", frameon=False)
    else:
        axes.margins(0.2)
    return made


def _told_apart() -> Iterator[dict[str, Any]]:
    """Looks of points without end, the first twelve of them different."""
    marks = [marker for marker in MARKERS if marker != "x"]  # a cross can't be filled
    looks = [(marker, shade) for shade in ("black", "white", "0.6") for marker in marks]
    for marker, shade in cycle(looks):
        yield {"marker": marker, "markerfacecolor": shade, "markersize": 8, "elinewidth": 0.8}


def coverage(intervals: Sequence[tuple[float, float]], truth: float, title: str, x_label: str) -> Figure:
    """Intervals (low, high) one above the other, thick where they miss the `truth`, a dashed line."""
    made, axes = figure(title, width=7.2, title_size="medium")
    for place, (low, high) in enumerate(intervals):
        holds = low <= truth <= high
        axes.plot([low, high], [place, place], color="0.6" if holds else "black", linewidth=1 if holds else 3)
    axes.axvline(truth, linestyle="--", color="black", linewidth=1)
    axes.set_xlabel(x_label)
    axes.set_ylabel("sample")
    return made

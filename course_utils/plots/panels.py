"""Several small plots side by side or one under the other, on an axis that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from course_utils.measure.scores import Score
from course_utils.plots.figure import panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def histograms(values: Mapping[str, Sequence[float]], title: str, x_label: str) -> Figure:
    """One histogram under the other, on the same axis. values: {name: numbers}."""
    made, grid = panels(len(values), 1, title, 6.4, 1 + 1.5 * len(values), sharex=True)
    for axes, (name, numbers) in zip(grid, values.items(), strict=True):
        axes.hist(numbers, bins=30, color="0.75", edgecolor="black")
        axes.set_title(name, fontsize="medium")
        axes.set_ylabel("rows")
    grid[-1].set_xlabel(x_label)
    return made


def scatter_rows(lines: Mapping[str, Sequence[float]], title: str, x_label: str, y_label: str) -> Figure:
    """One panel a line, with a dot a row. lines: {name: numbers in the order they came}."""
    made, grid = panels(1, len(lines), title, 4.2 * len(lines), 3.6, sharey=True)
    for axes, (name, numbers) in zip(grid, lines.items(), strict=True):
        axes.plot(range(len(numbers)), numbers, ".", color="black", markersize=1.5)
        axes.set_title(name, fontsize="medium")
        axes.set_xlabel(x_label)
    grid[0].set_ylabel(y_label)
    return made


@dataclass(frozen=True)
class Panel:
    """title: the quantity with its unit. values: {method: numbers or Scores}, one
    a run. log: a logarithmic axis.
    """

    title: str
    values: Mapping[str, Sequence[float | Score]]
    log: bool = False


def method_panels(quantities: Sequence[Panel], title: str) -> Figure:
    """Several quantities of several methods: a panel a quantity, a line a method, a circle a run.

    A `Score` is drawn with its interval.
    """
    methods = list(dict.fromkeys(method for panel in quantities for method in panel.values))
    width, height = 1.5 + 1.9 * len(quantities), 1.2 + 0.3 * len(methods)
    made, grid = panels(1, len(quantities), title, width, height, sharey=True)
    for panel, axes in zip(quantities, grid, strict=True):
        for line, method in enumerate(methods):
            axes.axhline(line, color="0.9", zorder=0)
            for value in panel.values.get(method, ()):
                _mark(axes, value, line)
        axes.set_title(panel.title, fontsize="medium")
        if panel.log:
            axes.set_xscale("log")
        else:
            axes.set_xlim(left=min(0, axes.get_xlim()[0]))  # lengths can be compared by eye only from 0
    grid[0].set_yticks(range(len(methods)), methods)
    grid[0].invert_yaxis()
    return made


def _mark(axes: Axes, value: float | Score, line: int) -> None:
    """A circle at a number, or at a Score's value with its interval."""
    if isinstance(value, Score):
        axes.plot([value.low, value.high], [line, line], color="black", linewidth=0.8)
    axes.plot([float(value)], [line], "o", color="black", markerfacecolor="white", markersize=5)

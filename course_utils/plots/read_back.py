"""What a figure really shows, read back from its axes: the numbers, not the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.container import ErrorbarContainer
    from matplotlib.figure import Figure


def figure_as_data(figure: Figure) -> list[dict[str, Any]]:
    """A matplotlib Figure with points or bars and error bars as plain data, one dict for each of its axes.

    Returns [{"title", "x_label", "y_label": texts, "shown": {name: {"value", "low", "high"}}, "value_label":
    text, "limits": [low, high]}]. Names are the tick labels of the axis across; `value_label` and `limits`
    are of the axis that the whiskers run along. Whiskers may be upright or lying. A value without a mark of
    its own is None.
    """
    figure.draw_without_rendering()  # tick labels exist only then
    return [_axes_as_data(axes) for axes in figure.axes]


def _axes_as_data(axes: Axes) -> dict[str, Any]:
    segments = [
        segment
        for container in _error_bars(axes)
        for lines in container.lines[2]
        for segment in lines.get_segments()
    ]
    lying = bool(segments) and all(segment[0][1] == segment[1][1] for segment in segments)
    along, across = (0, 1) if lying else (1, 0)
    names = _names(axes.yaxis if lying else axes.xaxis)
    values, shown = _values(axes, along, across), {}
    for segment in segments:
        place = round(float(segment[0][across]), 4)
        low, high = sorted(float(end[along]) for end in segment)
        shown[names.get(place, str(place))] = {"value": values.get(place), "low": low, "high": high}
    return {
        "title": axes.get_title(), "x_label": axes.get_xlabel(), "y_label": axes.get_ylabel(), "shown": shown,
        "value_label": axes.get_xlabel() if lying else axes.get_ylabel(),
        "limits": sorted(map(float, axes.get_xlim() if lying else axes.get_ylim())),
    }  # fmt: skip


def _error_bars(axes: Axes) -> list[ErrorbarContainer]:
    from matplotlib.container import ErrorbarContainer

    return [container for container in axes.containers if isinstance(container, ErrorbarContainer)]


def _names(axis: Axis) -> dict[float, str]:
    """{place: label} of the ticks that have a label."""
    pairs = zip(axis.get_majorticklocs(), axis.get_ticklabels(), strict=False)
    return {round(float(place), 4): label.get_text() for place, label in pairs if label.get_text()}


def _values(axes: Axes, along: int, across: int) -> dict[float, float]:
    """{place: value} of bars, then of points."""
    import numpy
    from matplotlib.patches import Rectangle

    values = {}
    for bar in (patch for patch in axes.patches if isinstance(patch, Rectangle)):
        x, y, width, height = bar.get_x(), bar.get_y(), bar.get_width(), bar.get_height()
        middle, end = (y + height / 2, x + width) if along == 0 else (x + width / 2, y + height)
        values[round(float(middle), 4)] = float(end)
    for container in _error_bars(axes):
        if container.lines[0] is not None:
            for point in numpy.asarray(container.lines[0].get_xydata()):
                values[round(float(point[across]), 4)] = float(point[along])
    return values

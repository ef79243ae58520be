"""What a figure really shows, read back from its axes: the numbers that can be seen, not the picture."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.container import ErrorbarContainer
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.text import Text
    from numpy import ndarray

#: A shade that differs less from its ground, 0 to 1 in each of red, green and blue, is not seen
LEAST_CONTRAST = 0.05
#: A thinner line is not seen, in points
LEAST_WIDTH = 0.1


def figure_as_data(figure: Figure) -> list[dict[str, Any]]:
    """A matplotlib Figure with points or bars and error bars as plain data, one dict for each of its axes.

    Returns [{"title", "x_label", "y_label": texts, "shown": {name: {"value", "low", "high"}}, "value_label":
    text, "limits": [low, high]}]. Names are the tick labels of the axis across; `value_label` and `limits`
    are of the axis that the whiskers run along. Whiskers may be upright or lying. A value without a mark of
    its own is None. What cannot be seen (hidden, transparent, without width, in the colour of its ground,
    beside the axes) counts as not there.

    Raises TypeError for anything but a Figure, such as the module pyplot.
    """
    from matplotlib.figure import Figure

    if not isinstance(figure, Figure):
        came = getattr(figure, "__name__", type(figure).__name__)
        raise TypeError(
            f"a matplotlib Figure is needed, and {came} is none: begin with "
            "`figure, axes = pyplot.subplots()` and end with `return figure`"
        )
    figure.draw_without_rendering()  # tick labels exist only then
    return [_axes_as_data(axes) for axes in figure.axes]


def _axes_as_data(axes: Axes) -> dict[str, Any]:
    paper = _over(axes.figure.get_facecolor(), (1.0, 1.0, 1.0))
    ground = _over(axes.get_facecolor(), paper) if axes.patch.get_visible() else paper
    segments = [segment for container in _error_bars(axes) for segment in _whiskers(container, ground)]
    lying = bool(segments) and all(segment[0][1] == segment[1][1] for segment in segments)
    along, across = (0, 1) if lying else (1, 0)
    x_label, y_label = (_text(axis.label, paper) if _drawn(axis) else "" for axis in (axes.xaxis, axes.yaxis))
    names, limits = _names(axes.yaxis if lying else axes.xaxis, paper), (axes.get_xlim(), axes.get_ylim())
    values, shown = _values(axes, along, across, ground), {}
    for segment in segments:
        place = round(float(segment[0][across]), 4)
        low, high = sorted(float(end[along]) for end in segment)
        if axes.get_visible() and min(limits[across]) <= place <= max(limits[across]):
            shown[names.get(place, str(place))] = {"value": values.get(place), "low": low, "high": high}
    return {
        "title": _text(axes.title, paper), "x_label": x_label, "y_label": y_label, "shown": shown,
        "value_label": x_label if lying else y_label, "limits": sorted(map(float, limits[along])),
    }  # fmt: skip


def _over(colour: Any, ground: Iterable[float]) -> ndarray:
    """Red, green and blue of a colour with its alpha laid over an opaque ground, each 0 to 1."""
    import numpy
    from matplotlib.colors import to_rgba

    *shade, alpha = to_rgba(colour)
    return alpha * numpy.array(shade) + (1 - alpha) * numpy.asarray(ground)


def _seen(artist: Artist, colours: Iterable, ground: ndarray) -> bool:
    """Whether an artist is drawn, and one of its colours is told from the ground."""
    return artist.get_visible() and any(
        abs(_over(colour, ground) - ground).max() > LEAST_CONTRAST for colour in colours
    )


def _text(text: Text, ground: ndarray) -> str:
    from matplotlib.colors import to_rgba

    return text.get_text() if _seen(text, [to_rgba(text.get_color(), text.get_alpha())], ground) else ""


def _drawn(axis: Axis) -> bool:
    return axis.get_visible() and axis.axes.axison


def _error_bars(axes: Axes) -> list[ErrorbarContainer]:
    from matplotlib.container import ErrorbarContainer

    return [container for container in axes.containers if isinstance(container, ErrorbarContainer)]


def _whiskers(container: ErrorbarContainer, ground: ndarray) -> list:
    """The whiskers that can be seen, each from one end (x, y) to the other."""
    import numpy

    return [
        segment
        for lines in container.lines[2]
        if numpy.max(lines.get_linewidth()) > LEAST_WIDTH and _seen(lines, lines.get_color(), ground)
        for segment in lines.get_segments()
    ]


def _names(axis: Axis, ground: ndarray) -> dict[float, str]:
    """{place: label} of the ticks that have a label."""
    pairs = zip(axis.get_majorticklocs(), axis.get_ticklabels(), strict=False) if _drawn(axis) else ()
    texts = {round(float(place), 4): _text(label, ground) for place, label in pairs}
    return {place: text for place, text in texts.items() if text}


def _values(axes: Axes, along: int, across: int, ground: ndarray) -> dict[float, float]:
    """{place: value} of bars, then of points, as far as they can be seen."""
    import numpy
    from matplotlib.patches import Rectangle

    values = {}
    for bar in (patch for patch in axes.patches if isinstance(patch, Rectangle)):
        x, y, width, height = bar.get_x(), bar.get_y(), bar.get_width(), bar.get_height()
        middle, end = (y + height / 2, x + width) if along == 0 else (x + width / 2, y + height)
        if _seen(bar, _bar_colours(bar), ground):
            values[round(float(middle), 4)] = float(end)
    for points in (container.lines[0] for container in _error_bars(axes)):
        if points is not None and _seen(points, _point_colours(points), ground):
            for point in numpy.asarray(points.get_xydata()):
                values[round(float(point[across]), 4)] = float(point[along])
    return values


def _bar_colours(bar: Patch) -> list:
    return [bar.get_facecolor()] + [bar.get_edgecolor()] * (bar.get_linewidth() > LEAST_WIDTH)


def _point_colours(line: Line2D) -> list:
    """The colours of the marks, and of the line between them if there is one."""
    from matplotlib.colors import to_rgba

    colours = []
    if line.get_marker() not in (None, "None", "none", " ", "") and line.get_markersize() > LEAST_WIDTH:
        colours += [line.get_markerfacecolor(), line.get_markeredgecolor()]
    if line.get_linestyle() != "None" and line.get_linewidth() > LEAST_WIDTH:
        colours.append(line.get_color())
    return [to_rgba(colour, line.get_alpha()) for colour in colours]

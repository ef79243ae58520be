"""Points that lie close together, told apart by marker and shade, with their names beside the plot."""

from itertools import cycle


def marked_points(points, title, x_label, y_label):
    """points: {name: (Score along x, Score along y)}, with 95 % intervals both ways; returns a matplotlib Figure.

    `plots.trade_off` writes each name at its point, which is easier to read where points lie apart.
    """
    from course_utils.plots.charts import MARKERS, _figure

    figure, axes = _figure(title, width=8)
    looks = cycle(
        (marker, shade) for shade in ("black", "white", "0.6") for marker in MARKERS if marker != "x"
    )
    for (name, (x, y)), (marker, shade) in zip(points.items(), looks, strict=False):
        axes.errorbar(
            x.value,
            y.value,
            xerr=[[x.value - x.low], [x.high - x.value]],
            yerr=[[y.value - y.low], [y.high - y.value]],
            fmt=marker,
            color="black",
            markerfacecolor=shade,
            markersize=8,
            elinewidth=0.8,
            label=name,
        )
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    figure.legend(loc="outside right center", frameon=False)
    return figure

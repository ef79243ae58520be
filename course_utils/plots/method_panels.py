"""Several quantities of several methods in one picture: a panel a quantity, a line a method, readable in black and white."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Panel:
    """title: the quantity with its unit. values: {method: numbers or Scores}, one a run. log: a logarithmic axis."""

    title: str
    values: dict
    log: bool = False


def method_panels(panels, title):
    """Panels side by side; every run is a circle, a `Score` with its interval. Returns a matplotlib Figure."""
    from matplotlib import pyplot

    methods = list(dict.fromkeys(method for panel in panels for method in panel.values))
    figure, all_axes = pyplot.subplots(
        1,
        len(panels),
        sharey=True,
        squeeze=False,
        figsize=(1.5 + 1.9 * len(panels), 1.2 + 0.3 * len(methods)),
        layout="constrained",
    )
    pyplot.close(figure)
    for panel, axes in zip(panels, all_axes[0], strict=True):
        for line, method in enumerate(methods):
            axes.axhline(line, color="0.9", zorder=0)
            for value in panel.values.get(method, ()):
                _mark(axes, value, line)
        axes.set_title(panel.title, fontsize="medium")
        axes.spines[["top", "right"]].set_visible(False)
        if panel.log:
            axes.set_xscale("log")
        else:
            axes.set_xlim(left=min(0, axes.get_xlim()[0]))  # lengths can be compared by eye only from 0
    all_axes[0][0].set_yticks(range(len(methods)), methods)
    all_axes[0][0].invert_yaxis()
    figure.suptitle(title)
    return figure


def _mark(axes, value, line):
    """A circle at a number, or at a Score's value with whiskers."""
    if hasattr(value, "low"):
        axes.plot([value.low, value.high], [line, line], color="black", linewidth=0.8)
        value = value.value
    axes.plot([value], [line], "o", color="black", markerfacecolor="white", markersize=5)

"""Plots that can be read in black and white: shades with hatches or dashes, labels with units, and no more
ink.

Every function returns a matplotlib Figure, which a notebook shows when it is the last line of a cell.
"""

from itertools import cycle

LOOKS = (  # shade and hatch of the 1st, 2nd, … bar of a group
    ("white", ""),
    ("0.75", ""),
    ("0.45", ""),
    ("white", "///"),
    ("0.75", "xxx"),
    ("white", "..."),
)
DASHES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "x", "D")


def grouped_bars(scores, title, y_label):
    """Bars with 95 % intervals. scores: {bar: {group: Score}}; the groups stand along the x axis."""
    groups = list(dict.fromkeys(group for row in scores.values() for group in row))
    figure, axes = _figure(title, width=max(6.4, 1.6 * len(groups)))
    width = 0.8 / len(scores)
    for number, ((bar, row), (shade, hatch)) in enumerate(zip(scores.items(), cycle(LOOKS), strict=False)):
        places = [
            place + (number - (len(scores) - 1) / 2) * width
            for place, group in enumerate(groups)
            if group in row
        ]
        found = [row[group] for group in groups if group in row]
        axes.bar(
            places,
            [score.value for score in found],
            width,
            yerr=[
                [score.value - score.low for score in found],
                [score.high - score.value for score in found],
            ],
            label=bar,
            color=shade,
            hatch=hatch,
            edgecolor="black",
            capsize=3,
        )
    axes.set_xticks(range(len(groups)), groups)
    axes.set_ylabel(y_label)
    axes.set_ylim(bottom=0)
    if len(scores) > 1:  # outside, where it can't hide a bar
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def curves(lines, title, x_label, y_label):
    """Lines told apart by their dashes. lines: {name: [(x, y), …]}, such as the loss over the steps."""
    figure, axes = _figure(title)
    for (name, points), dash in zip(lines.items(), cycle(DASHES), strict=False):
        axes.plot(*zip(*points, strict=True), dash, color="black", label=name)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    if len(lines) > 1:
        axes.legend(frameon=False)
    return figure


def score_curves(lines, title, x_label, y_label):
    """Scores with their intervals along something. lines: {name: [(x, Score), …]}."""
    figure, axes = _figure(title, width=8)
    looks = zip(cycle(DASHES), cycle(MARKERS), strict=False)
    for (name, points), (dash, marker) in zip(lines.items(), looks, strict=False):
        places = [x for x, _ in points]
        values = [score.value for _, score in points]
        below = [score.value - score.low for _, score in points]
        above = [score.high - score.value for _, score in points]
        axes.errorbar(
            places,
            values,
            [below, above],
            linestyle=dash,
            marker=marker,
            color="black",
            label=name,
            elinewidth=0.6,
        )
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_ylim(bottom=0)
    if len(lines) > 1:
        figure.legend(loc="outside right center", frameon=False)
    return figure


def heat_map(scores, title):
    """Scores as shades, 0 black and 1 white, each with its number and interval. scores: {row: {column: Score}}."""
    columns = list(dict.fromkeys(column for row in scores.values() for column in row))
    figure, axes = _figure(title, width=max(6.4, 1.5 * len(columns)))
    figure.set_figheight(1.2 + 0.7 * len(scores))
    shades = [
        [row[column].value if column in row else float("nan") for column in columns]
        for row in scores.values()
    ]
    axes.imshow(shades, cmap="gray", vmin=0, vmax=1, aspect="auto")
    for line, row in enumerate(scores.values()):
        for place, column in enumerate(columns):
            if score := row.get(column):
                text = f"{score.value:.2f}\n[{score.low:.2f}, {score.high:.2f}]"
                axes.text(
                    place,
                    line,
                    text,
                    ha="center",
                    va="center",
                    color="black" if score.value > 0.5 else "white",
                )
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(scores)), scores)
    axes.spines[["top", "right"]].set_visible(True)  # a white field needs its border
    return figure


def loss_curve(log_history, title="Training loss"):
    """The loss over the optimizer steps, from `trainer.state.log_history`; evaluation losses too, if any."""
    lines = {
        name: [(entry["step"], entry[key]) for entry in log_history if key in entry]
        for name, key in (("training", "loss"), ("evaluation", "eval_loss"))
    }
    lines = {name: points for name, points in lines.items() if points}
    if not lines:
        raise ValueError(
            "There is no loss in this log. Train first, with logging_steps= below the number of steps."
        )
    return curves(lines, title, "optimizer steps", "loss (nats per token)")


def trade_off(points, title, x_label, y_label, path=()):
    """Named points with intervals in both directions. points: {name: (Score along x, Score along y)}.

    path: names of points that a dashed line joins in this order.
    """
    figure, axes = _figure(title)
    joined = [tuple(score.value for score in points[name]) for name in path]
    if joined:
        axes.plot(*zip(*joined, strict=True), "--", color="0.6", zorder=0)
    for name, (x, y) in points.items():
        axes.errorbar(
            x.value,
            y.value,
            xerr=[[x.value - x.low], [x.high - x.value]],
            yerr=[[y.value - y.low], [y.high - y.value]],
            fmt="o",
            color="black",
            capsize=3,
        )
        axes.annotate(name, (x.value, y.value), xytext=(6, 6), textcoords="offset points")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.margins(0.2)
    return figure


def ranking(values, title, x_label):
    """Horizontal bars, the first at the top. values: {name: number}."""
    figure, axes = _figure(title)
    axes.barh(list(values), list(values.values()), color="0.75", edgecolor="black")
    axes.invert_yaxis()
    axes.set_xlabel(x_label)
    return figure


def histograms(values, title, x_label):
    """One histogram under the other, on the same axis. values: {name: numbers}."""
    from matplotlib import pyplot

    figure, _ = pyplot.subplots(
        len(values), sharex=True, figsize=(6.4, 1 + 1.5 * len(values)), layout="constrained"
    )
    pyplot.close(figure)
    for axes, (name, numbers) in zip(figure.axes, values.items(), strict=True):
        axes.hist(numbers, bins=30, color="0.75", edgecolor="black")
        axes.set_title(name, fontsize="medium")
        axes.set_ylabel("rows")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[-1].set_xlabel(x_label)
    figure.suptitle(title)
    return figure


def token_grid(rows, title, hidden=-100):
    """Rows of tokens as a grid, each written in its cell; `hidden` ones are dark. rows: a list of lists."""
    figure, axes = _figure(title, width=12)
    axes.imshow(
        [[float(token == hidden) for token in row] for row in rows], cmap="Greys", vmax=1.6, aspect="auto"
    )
    for y, row in enumerate(rows):
        for x, token in enumerate(row):
            axes.text(x, y, str(token), ha="center", va="center", fontsize=7, rotation=45)
    axes.set_xlabel("place in the row")
    axes.set_yticks(range(len(rows)), [f"row {number}" for number in range(len(rows))])
    return figure


def _figure(title, width=6.4):
    """A figure and its axes. Closed for pyplot at once, or a notebook would show it a second time."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(width, 4), layout="constrained")
    pyplot.close(figure)
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes

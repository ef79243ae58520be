"""Pictures for comparing systems: whiskers, the coverage of intervals, a learning curve, shades of a table."""


def whiskers(scores, title, x_label, line=None):
    """Each `Score` as a point with its 95 % interval, the first at the top. scores: {name: Score}.

    line: a value to hold them against, drawn dashed; an interval that misses it is drawn with a filled point.
    """
    figure, axes = _figure(title, height=1.2 + 0.4 * len(scores))
    for place, score in enumerate(scores.values()):
        misses = line is not None and not score.low <= line <= score.high
        axes.plot([score.low, score.high], [place, place], color="black", linewidth=1)
        axes.plot(score.value, place, "o", color="black", fillstyle="full" if misses else "none")
    if line is not None:
        axes.axvline(line, linestyle="--", color="0.5", linewidth=1)
    axes.set_yticks(range(len(scores)), scores)
    axes.set_ylim(len(scores) - 0.5, -0.5)
    axes.set_xlabel(x_label)
    return figure


def coverage_picture(intervals, truth, title, x_label):
    """Intervals (low, high) one above the other, thick where they miss the `truth`, a dashed line."""
    figure, axes = _figure(title, height=4)
    for place, (low, high) in enumerate(intervals):
        holds = low <= truth <= high
        axes.plot([low, high], [place, place], color="0.6" if holds else "black", linewidth=1 if holds else 3)
    axes.axvline(truth, linestyle="--", color="black", linewidth=1)
    axes.set_xlabel(x_label)
    axes.set_ylabel("sample")
    return figure


def learning_curve(errors, used, law, title):
    """Errors over the number of training rows, both logarithmic, with the law that was fitted to some of them.

    errors: {rows: `Score`}. used: the numbers of rows that the law was fitted to; other points before the last of
    them are drawn as crosses, those after it, measured to test the forecast, as squares. law: from rows to error.
    """
    figure, axes = _figure(title, height=3.8)
    ends = min(errors), 2 * max(errors)
    line = [ends[0] * (ends[1] / ends[0]) ** (step / 50) for step in range(51)]
    axes.plot(line, [law(rows) for rows in line], "--", color="0.5", label="fitted to the circles")
    for rows, error in errors.items():
        mark = "o" if rows in used else "s" if rows > max(used) else "x"
        below, above = [error.value - error.low], [error.high - error.value]
        axes.errorbar(
            rows,
            error.value,
            [below, above],
            fmt=mark,
            color="black",
            mfc="white" if mark == "o" else "black",
        )
    axes.plot([], [], "s", color="black", label="measured afterwards")
    axes.set(xscale="log", yscale="log", xlabel="labelled rows", ylabel="share of errors")
    axes.set_xticks(list(errors), [f"{rows:,}" for rows in errors])
    axes.set_yticks([0.1, 0.2, 0.4], ["0.1", "0.2", "0.4"])
    axes.minorticks_off()
    axes.legend(frameon=False)
    return figure


def shades(values, title):
    """A table of numbers from 0 (black) to 1 (white), each written in its cell. values: {row: {column: number}}."""
    rows, columns = list(values), list(dict.fromkeys(column for row in values.values() for column in row))
    figure, axes = _figure(title, height=1.2 + 0.5 * len(rows))
    axes.imshow(
        [[values[row][column] for column in columns] for row in rows],
        cmap="gray",
        vmin=0,
        vmax=1,
        aspect="auto",
    )
    for place, row in enumerate(rows):
        for column, name in enumerate(columns):
            value = values[row][name]
            axes.text(
                column,
                place,
                f"{value:.2f}",
                ha="center",
                va="center",
                color="black" if value > 0.5 else "white",
            )
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.spines[["top", "right"]].set_visible(True)  # a white field needs its border
    return figure


def _figure(title, height):
    """A figure and its axes, closed for pyplot at once, or a notebook would show it a second time."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.2, height), layout="constrained")
    pyplot.close(figure)
    axes.set_title(title, fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes

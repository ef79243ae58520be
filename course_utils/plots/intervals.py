"""A row for each score, a point with its interval: the plot for comparing few figures honestly."""


def intervals(scores, title, x_label, at_least_from=None):
    """scores: {name: Score}, the first on top. at_least_from: a value the axis has to show, such as 0; returns a Figure.

    The names stand on the y axis, each point's whiskers are its 95 % interval, and its n stands at the right.
    """
    from course_utils.plots.charts import _figure

    figure, axes = _figure(title, width=7)
    figure.set_figheight(1.4 + 0.4 * len(scores))
    places = range(len(scores))
    values = [score.value for score in scores.values()]
    below = [score.value - score.low for score in scores.values()]
    above = [score.high - score.value for score in scores.values()]
    axes.errorbar(values, list(places), xerr=[below, above], fmt="o", color="black", capsize=4)
    axes.set_yticks(list(places), list(scores))
    axes.invert_yaxis()
    axes.margins(y=0.5 / max(1, len(scores)))
    axes.set_xlabel(x_label)
    if at_least_from is not None:
        axes.axvline(at_least_from, color="0.6", linewidth=0.8)
    for place, score in zip(places, scores.values(), strict=True):
        axes.text(1.01, place, f"n={score.n}", transform=axes.get_yaxis_transform(), va="center", fontsize=8)
    return figure

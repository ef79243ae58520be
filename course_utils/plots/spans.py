"""Plots of what a question-answering head says about each piece of a text."""


def start_and_end(pieces, starts, ends, title="Where the answer begins and ends"):
    """Probabilities that the answer begins (up) and ends (down) at each piece; returns a matplotlib Figure.

    pieces: texts; starts and ends: one probability a piece, from 0 to 1.
    """
    from course_utils.plots.charts import _figure

    if not len(pieces) == len(starts) == len(ends):
        raise ValueError(
            f"{len(pieces)} pieces need as many numbers: there are {len(starts)} starts and {len(ends)} ends."
        )
    figure, axes = _figure(title, width=max(6.4, 0.28 * len(pieces)))
    places = range(len(pieces))
    axes.bar(places, list(starts), color="0.75", edgecolor="black", label="begins here")
    axes.bar(
        places, [-share for share in ends], color="white", edgecolor="black", hatch="///", label="ends here"
    )
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(places, list(pieces), rotation=90)
    axes.set_yticks([-1, -0.5, 0, 0.5, 1], ["1", "0.5", "0", "0.5", "1"])
    axes.set_ylim(-1.05, 1.05)
    axes.set_ylabel("probability")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure

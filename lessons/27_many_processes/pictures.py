"""Several ranks at a glance: what each has of a sum, step by step, and what each is busy with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

from course_utils.plots.figure import DASHES, LOOKS, MARKERS, figure, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def pieces_over_steps(steps: Sequence[Sequence[Sequence[int]]], title: str) -> Figure:
    """How many ranks' numbers are in each piece of each rank, one grid a step. steps: [step][rank][piece];
    the more, the darker, and black where all are in.
    """
    ranks = len(steps[0])
    made, every = panels(1, len(steps), title, width=1.5 * len(steps), height=0.5 + 0.35 * ranks, sharey=True)
    for number, (axes, table) in enumerate(zip(every, steps, strict=True)):
        axes.imshow(table, cmap="gray_r", vmin=0, vmax=ranks, aspect="auto")
        for rank, row in enumerate(table):
            for piece, count in enumerate(row):
                colour = "white" if count > ranks / 2 else "black"
                axes.text(piece, rank, str(count), ha="center", va="center", color=colour)
        axes.set_title("start" if number == 0 else f"step {number}", fontsize="medium")
        axes.set_xticks(range(len(table[0])))
        axes.set_yticks(range(ranks), [f"rank {rank}" for rank in range(ranks)])
    made.supxlabel("piece", fontsize="medium")
    return made


def logarithmic(
    lines: Mapping[str, Sequence[tuple[float, float]]],
    points: Mapping[str, Sequence[tuple[float, float]]],
    title: str,
    x_label: str,
    y_label: str,
) -> Figure:
    """Lines by their dashes and measured points by their marks; a name's line and points belong together, and
    both axes grow by factors. lines, points: {name: [(x, y), …]}.
    """
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    made, axes = figure(title, width=8)
    names = list(dict.fromkeys([*lines, *points]))
    for name, dash, marker in zip(names, cycle(DASHES), cycle(MARKERS), strict=False):
        if name in lines:
            axes.plot(*zip(*lines[name], strict=True), dash, color="black", label=name)
        if name in points:
            label = f"{name}, measured" if name in lines else name
            axes.plot(
                *zip(*points[name], strict=True),
                marker,
                color="black",
                markerfacecolor="white",
                linestyle="none",
                label=label,
            )
    axes.set(xscale="log", yscale="log", xlabel=x_label, ylabel=y_label)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
    made.legend(loc="outside right center", frameon=False)
    return made


def lanes(
    plans: Mapping[str, Sequence[tuple[str, float, float]]], title: str, x_label: str, height: float = 0.5
) -> Figure:
    """Boxes where they begin and end, one lane a line. plans: {lane: [(name, begin, end), …]}."""
    made, axes = figure(title, width=9, height=1.3 + height * len(plans))
    for line, boxes in enumerate(plans.values()):
        for number, (name, begin, end) in enumerate(boxes):
            shade = LOOKS[number % 2][0]
            axes.barh(line, end - begin, left=begin, color=shade, edgecolor="black", clip_on=False)
            axes.text((begin + end) / 2, line, name, ha="center", va="center", fontsize="small")
    axes.set_yticks(range(len(plans)), plans)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel(x_label)
    return made

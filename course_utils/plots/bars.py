"""Bars: groups with their intervals, a ranking, shares of a whole, and probabilities up and down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

from course_utils.measure.cost import Accelerator, Memory
from course_utils.measure.scores import Score
from course_utils.plots.figure import LOOKS, figure, whisker_lengths

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def grouped_bars(scores: Mapping[str, Mapping[str, Score]], title: str, y_label: str) -> Figure:
    """Bars with 95 % intervals. scores: {bar: {group: Score}}; the groups stand along the x axis."""
    groups = list(dict.fromkeys(group for row in scores.values() for group in row))
    made, axes = figure(title, width=max(6.4, 1.6 * len(groups)))
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
            yerr=whisker_lengths(found),
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
        made.legend(loc="outside lower center", ncols=3, frameon=False)
    return made


def ranking(values: Mapping[str, float], title: str, x_label: str) -> Figure:
    """Horizontal bars, the first at the top. values: {name: number}."""
    made, axes = figure(title)
    axes.barh(list(values), list(values.values()), color="0.75", edgecolor="black")
    axes.invert_yaxis()
    axes.set_xlabel(x_label)
    return made


def memory_shares(
    memories: Mapping[str, Memory], accelerators: Mapping[str, Accelerator], title: str
) -> Figure:
    """What shares the memory of a training step, one bar a model, with its total
    and the first card it fits on.
    """
    made, axes = figure(title, width=7.6, height=1.4 + 0.42 * len(memories), title_size="medium")
    looks = {
        "weights": ("white", ""),
        "gradients": ("0.8", ""),
        "optimizer": ("0.55", ""),
        "activations": ("white", "///"),
    }
    for place, memory in enumerate(memories.values()):
        left = 0.0
        for part, (shade, hatch) in looks.items():
            share = getattr(memory, part) / memory.total
            axes.barh(
                place,
                share,
                left=left,
                color=shade,
                hatch=hatch,
                edgecolor="black",
                label=part if not place else None,
            )
            left += share
        fits = [name for name, device in accelerators.items() if memory.total <= device.memory_gb * 1e9]
        card = f"fits {fits[0]}" if fits else "no single card"
        axes.text(1.01, place, f"{memory.total / 1e9:,.1f} GB  ({card})", va="center")
    axes.set_yticks(range(len(memories)), memories)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.5)
    axes.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    axes.set_xlabel("share of the memory of a training step")
    made.legend(loc="outside lower center", ncols=4, frameon=False)
    return made


def start_and_end(
    tokens: Sequence[str],
    starts: Sequence[float],
    ends: Sequence[float],
    title: str = "Where the answer begins and ends",
) -> Figure:
    """What a question-answering head says: the probability that the answer begins
    (up) and ends (down) at each token.

    tokens: texts; starts and ends: one probability a token, from 0 to 1.
    """
    if not len(tokens) == len(starts) == len(ends):
        raise ValueError(
            f"{len(tokens)} tokens need as many numbers: there are {len(starts)} starts and {len(ends)} ends."
        )
    made, axes = figure(title, width=max(6.4, 0.28 * len(tokens)))
    positions = range(len(tokens))
    axes.bar(positions, list(starts), color="0.75", edgecolor="black", label="begins here")
    axes.bar(
        positions,
        [-share for share in ends],
        color="white",
        edgecolor="black",
        hatch="///",
        label="ends here",
    )
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(positions, list(tokens), rotation=90)
    axes.set_yticks([-1, -0.5, 0, 0.5, 1], ["1", "0.5", "0", "0.5", "1"])
    axes.set_ylim(-1.05, 1.05)
    axes.set_ylabel("probability")
    made.legend(loc="outside lower center", ncols=2, frameon=False)
    return made

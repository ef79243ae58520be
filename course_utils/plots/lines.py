"""Lines: something over the steps, the rows or the money, told apart by their dashes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from typing import TYPE_CHECKING

from course_utils.measure import decision
from course_utils.measure.scores import Score
from course_utils.plots.figure import DASHES, MARKERS, figure, whisker_lengths

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def curves(
    lines: Mapping[str, Iterable[tuple[float, float]]], title: str, x_label: str, y_label: str
) -> Figure:
    """Lines told apart by their dashes. lines: {name: [(x, y), …]}, such as the loss over the steps."""
    made, axes = figure(title)
    for (name, points), dash in zip(lines.items(), cycle(DASHES), strict=False):
        axes.plot(*zip(*points, strict=True), dash, color="black", label=name)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    if len(lines) > 1:
        axes.legend(frameon=False)
    return made


def paths(
    runs: Mapping[str, Iterable[Sequence[tuple[float, float]]]], title: str, x_label: str, y_label: str
) -> Figure:
    """The ways of several runs through a plane. runs: {method: [[(x, y), …] of each seed]}; a method's runs
    look alike and are drawn one by one, so that one sees how far apart the seeds lie.
    """
    made, axes = figure(title, width=8)
    looks = zip(cycle(DASHES), cycle(MARKERS), strict=False)
    for (name, found), (dash, marker) in zip(runs.items(), looks, strict=False):
        for number, points in enumerate(found):
            axes.plot(
                *zip(*points, strict=True),
                linestyle=dash,
                marker=marker,
                markersize=5,
                linewidth=1,
                color="black",
                markerfacecolor="white",
                label=name if number == 0 else None,
            )
    axes.set(xlabel=x_label, ylabel=y_label)
    made.legend(loc="outside right center", frameon=False)
    return made


def loss_curve(log_history: Sequence[Mapping], title: str = "Training loss") -> Figure:
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


def score_curves(
    lines: Mapping[str, Sequence[tuple[float, Score]]], title: str, x_label: str, y_label: str
) -> Figure:
    """Scores with their intervals along something. lines: {name: [(x, Score), …]}."""
    made, axes = figure(title, width=8)
    looks = zip(cycle(DASHES), cycle(MARKERS), strict=False)
    for (name, points), (dash, marker) in zip(lines.items(), looks, strict=False):
        scores = [score for _, score in points]
        axes.errorbar(
            [x for x, _ in points],
            [score.value for score in scores],
            whisker_lengths(scores),
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
        made.legend(loc="outside right center", frameon=False)
    return made


def learning_curve(
    errors: Mapping[int, Score], used: Collection[int], law: Callable[[float], float], title: str
) -> Figure:
    """Errors over the number of training rows, both logarithmic, with the law
    that was fitted to some of them.

    errors: {rows: `Score`}. used: the numbers of rows that the law was fitted to; other points
    before the last of them are drawn as crosses, those after it, measured to test the prediction,
    as squares. law: from rows to error.
    """
    made, axes = figure(title, width=7.2, height=3.8, title_size="medium")
    ends = min(errors), 2 * max(errors)
    line = [ends[0] * (ends[1] / ends[0]) ** (step / 50) for step in range(51)]
    axes.plot(line, [law(rows) for rows in line], "--", color="0.5", label="fitted to the circles")
    for rows, error in errors.items():
        mark = "o" if rows in used else "s" if rows > max(used) else "x"
        axes.errorbar(
            rows,
            error.value,
            whisker_lengths([error]),
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
    return made


def costs(case: decision.Case, requests: Sequence[int], title: str) -> Figure:
    """Both costs of a `Case` over the number of requests a month, on logarithmic axes,
    with the break-even point marked.
    """
    made, axes = figure(title, width=7, height=3.8)
    both = [decision.costs(replace(case, monthly_requests=number)) for number in requests]
    for name, style, amounts in zip(
        ("prompting", "training"), ("-", "--"), zip(*both, strict=True), strict=True
    ):
        axes.plot(requests, amounts, style, color="black", label=name)
    if requests[0] <= decision.break_even(case) <= requests[-1]:
        axes.axvline(decision.break_even(case), linestyle=":", color="0.4")
    axes.set(
        xscale="log", yscale="log", xlabel="requests a month", ylabel=f"dollars over {case.months} months"
    )
    axes.legend(frameon=False)
    return made

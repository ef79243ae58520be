"""A model in stages, one a rank: two orders of work, what they take on a clock, and the run itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from course_utils.plots.figure import figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Order = list[tuple[str, int]]  # ("F" or "B", number of the micro-batch)
Lane = list[tuple[str, float, float]]  # (name, begin, end)


def gpipe(stage: int, stages: int, micro: int) -> Order:
    """All forward, then all backward."""
    return [("F", number) for number in range(micro)] + [("B", number) for number in range(micro)]


def one_forward_one_backward(stage: int, stages: int, micro: int) -> Order:
    """So many forward as there are stages behind this one; then in turns; then what is left."""
    ahead = min(stages - stage - 1, micro)
    turns = [step for number in range(micro - ahead) for step in (("F", ahead + number), ("B", number))]
    return (
        [("F", number) for number in range(ahead)] + turns + [("B", n) for n in range(micro - ahead, micro)]
    )


def clock(orders: list[Order], forward: float = 1, backward: float = 2) -> list[Lane]:
    """(name, begin, end) of each piece of work of each stage, where sending takes no time.

    Raises ValueError if the stages wait for each other for ever.
    """
    ended: dict[tuple[str, int, int], float] = {}
    left, free = [list(order) for order in orders], [0.0] * len(orders)
    found: list[Lane] = [[] for _ in orders]
    while any(left):
        before = len(ended)
        for stage, order in enumerate(left):
            if not order:
                continue
            kind, number = order[0]
            first = stage == 0 if kind == "F" else stage == len(orders) - 1
            needed = (kind, number, stage + (-1 if kind == "F" else 1))
            if first or needed in ended:
                begin = max(free[stage], 0.0 if first else ended[needed])
                free[stage] = begin + (forward if kind == "F" else backward)
                ended[kind, number, stage] = free[stage]
                found[stage].append((f"{kind}{number}", begin, free[stage]))
                order.pop(0)
        if len(ended) == before:
            raise ValueError("The stages wait for each other.")
    return found


def idle(lanes: list[Lane]) -> float:
    """The share of all stages' time in which nothing is done."""
    end = max(lane[-1][2] for lane in lanes)
    return 1 - sum(end - begin for lane in lanes for _, begin, end in lane) / (len(lanes) * end)


def held(order: Order) -> int:
    """The most micro-batches whose activations wait for their backward pass."""
    now = most = 0
    for kind, _ in order:
        now += 1 if kind == "F" else -1
        most = max(most, now)
    return most


def run(stage: torch.nn.Module, order: Order, x: torch.Tensor, y: torch.Tensor, micro: int) -> int:
    """This rank's stage over all micro-batches; gradients are left in the weights. Gives the most held."""
    rank, last = dist.get_rank(), dist.get_world_size() - 1
    inputs, targets = x.chunk(micro), y.chunk(micro)
    waiting: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
    sent, most = [], 0
    for kind, number in order:
        if kind == "F":
            given = inputs[number].clone()
            if rank > 0:
                dist.recv(given, rank - 1)
            made = stage(given.requires_grad_())
            if rank < last:
                sent.append(dist.isend(made.detach(), rank + 1))
            else:
                made = (made - targets[number]).square().mean() / micro
            waiting[number] = given, made
            most = max(most, len(waiting))
        else:
            given, made = waiting.pop(number)
            gradient = None
            if rank < last:
                gradient = torch.empty_like(made)
                dist.recv(gradient, rank + 1)
            made.backward(gradient)
            if rank > 0:
                sent.append(dist.isend(given.grad, rank - 1))
    for each in sent:
        each.wait()
    return most


def drawn(lanes: list[Lane], title: str) -> Figure:
    """Forward white, backward grey, one line a stage; what is empty is the bubble."""
    made, axes = figure(title, width=9, height=1.2 + 0.5 * len(lanes))
    for line, boxes in enumerate(lanes):
        for name, begin, end in boxes:
            colour = "white" if name[0] == "F" else "0.8"
            axes.barh(line, end - begin, left=begin, color=colour, edgecolor="black", clip_on=False)
            axes.text((begin + end) / 2, line, name, ha="center", va="center", fontsize="small")
    axes.set_yticks(range(len(lanes)), [f"stage {line}" for line in range(len(lanes))])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("time, a forward pass is 1")
    return made

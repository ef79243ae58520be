"""Short runs that are recorded: one that goes well, and runs with a fault that their curves show.

Each is a real run of a small net, on rows of one law with some wrong labels. What is drawn is the law, the
rows and the first weights; what makes the kind is written below it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

KINDS = ("sound", "under", "over", "leak", "bug")
GUESSING = math.log(2)  # the loss of whoever says half and half to two labels
BUGS = ("labels moved", "validation labels moved", "rate too large")


def recorded(kind: str, seed: int) -> dict[str, Any]:
    """A run whose curves show its kind clearly: the first such of those that begin with this seed.

    Returns what `run` returns. Raises `ValueError` for a kind that is not one of KINDS.
    """
    return next(
        curve for curve in (run(kind, 1000 * seed + number) for number in range(1000)) if clear(curve, kind)
    )


def clear(curve: Mapping[str, Any], kind: str) -> bool:
    """Whether a run of this kind shows it: chance may make any of them look like another."""
    train, validation = (
        [loss / GUESSING for loss in curve[name]] for name in ("train", "validation")
    )  # 1: no better than guessing
    end, best, later = validation[-1], min(validation), curve["later"] / GUESSING
    alike = 0.75 * end < later < 1.25 * end
    return {
        "sound": train[-1] < 0.65 and end < 0.72 and end < 1.08 * best and alike,
        "under": 0.8 < train[-1] < 0.93 and best < 0.94 and end < 1.01 * best and alike,
        "over": train[-1] < 0.2 and best < 0.9 and end > 1.4 * best and alike,
        "leak": train[-1] < 0.2 and end < 0.2 and later > 1,
        "bug": best > 0.97,
    }[kind]


def run(kind: str, seed: int, epochs: int = 24) -> dict[str, Any]:
    """The losses of a run: {"train": [...], "validation": [...], "later": float, "guessing": float}.

    The lists hold one after each epoch. kind: one of KINDS. seed: of everything that is drawn. `later` is the
    loss of the last weights on rows that came in after the run, `guessing` that of saying half and half. All
    are mean cross-entropies in nats.
    """
    import torch

    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}; choose one of {', '.join(KINDS)}")
    generator = torch.Generator().manual_seed(seed)
    few = kind in ("over", "leak")
    law = torch.randn(20, generator=generator)
    train, validation, later = (_rows(count, law, generator) for count in (100 if few else 400, 200, 400))
    net = _net(64 if few else 8, generator)
    rate = {"under": 0.02, "over": 0.6, "leak": 0.6}.get(kind, 0.3)
    if kind == "leak":  # the rows of the validation set are rows that were trained on
        places = torch.randint(len(train[1]), (200,), generator=generator)
        validation = train[0][places], train[1][places]
    bug = BUGS[seed % len(BUGS)] if kind == "bug" else ""
    if bug == "labels moved":  # each row has the label of another
        train = train[0], train[1][torch.randperm(len(train[1]), generator=generator)]
    if bug == "validation labels moved":
        validation = validation[0], 1 - validation[1]
    if bug == "rate too large":
        rate = 300.0
    return _descended(net, train, validation, later, rate, epochs)


def _rows(count: int, law: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of twenty numbers whose label the law gives; one label in twelve is wrong."""
    import torch

    inputs = torch.randn(count, len(law), generator=generator)
    labels = (inputs @ law > 0).long()
    wrong = torch.rand(count, generator=generator) < 1 / 12
    return inputs, torch.where(wrong, 1 - labels, labels)


def _net(width: int, generator: torch.Generator) -> Any:
    import torch

    net = torch.nn.Sequential(torch.nn.Linear(20, width), torch.nn.Tanh(), torch.nn.Linear(width, 2))
    with torch.no_grad():
        for weight in net.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) / max(1, weight.shape[-1]) ** 0.5 / 3)
    return net


def _descended(
    net: Any, train: tuple, validation: tuple, later: tuple, rate: float, epochs: int
) -> dict[str, Any]:
    """Plain gradient descent, five steps an epoch."""
    import torch

    def loss(rows: tuple) -> Any:
        return torch.nn.functional.cross_entropy(net(rows[0]), rows[1])

    weights, size = list(net.parameters()), len(train[1]) // 5
    curve: dict[str, Any] = {"train": [], "validation": []}
    for _ in range(epochs):
        for start in range(0, len(train[1]), size):
            slopes = torch.autograd.grad(
                loss((train[0][start : start + size], train[1][start : start + size])), weights
            )
            with torch.no_grad():
                for weight, slope in zip(weights, slopes, strict=True):
                    weight -= rate * slope
        with torch.no_grad():
            curve["train"].append(loss(train).item())
            curve["validation"].append(loss(validation).item())
    with torch.no_grad():
        return {**curve, "later": loss(later).item(), "guessing": GUESSING}

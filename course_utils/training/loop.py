"""The training loop: every short training of the package is this one, with its own batches, loss and rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler

Batch = TypeVar("Batch")


def train(
    model: torch.nn.Module,
    batches: Iterable[Batch],
    loss_of: Callable[[Batch], torch.Tensor],
    schedule: Callable[[Optimizer], LRScheduler],
    *,
    learning_rate: float,
    weight_decay: float = 0.01,
    longest: float = math.inf,
    after_step: Callable[[], object] = lambda: None,
) -> list[float]:
    """Train the model's unfrozen weights, one step of AdamW a batch; leaves it in eval mode and
    returns the loss of each step.

    A batch is asked for when its step begins, so that what is drawn for it and the dropout after it come
    in that order. loss_of: gives a batch's loss, shape (). schedule: makes the schedule that moves the
    rate after each step. longest: a longer gradient, all weights together, is cut to this length.

    Raises ValueError where every weight is frozen.
    """
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    if not trained:
        raise ValueError(
            "Every weight of this model is frozen: set requires_grad to True where it should learn."
        )
    optimizer = AdamW(trained, lr=learning_rate, weight_decay=weight_decay)
    rate = schedule(optimizer)
    losses = []
    model.train()
    for batch in batches:
        optimizer.zero_grad()  # sets gradients to None: AdamW leaves what this batch does not reach alone
        loss = loss_of(batch)
        loss.backward()
        if longest < math.inf:
            torch.nn.utils.clip_grad_norm_(trained, longest)
        optimizer.step()
        rate.step()
        losses.append(loss.item())
        after_step()
    optimizer.zero_grad()
    model.eval()
    return losses

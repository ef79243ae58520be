"""A training of a minute at most, for lessons whose subject is what the trained model does.

Chapter 06 is about training.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from course_utils.measure.progress import Progress
from course_utils.training.forecast import Forecast

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

WARM_UP_STEPS = 10


def train_briefly(
    model: PreTrainedModel,
    examples: Sequence[Any],
    collate: Callable[[list[Any]], Mapping[str, torch.Tensor]],
    *,
    steps: int,
    batch_size: int = 16,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> list[tuple[int, float]]:
    """Train the model's unfrozen weights for some steps of AdamW and leave it in
    eval mode; returns the losses.

    examples: a list of anything; collate: makes a batch, a dict of tensors with labels, of a list of
    examples. The rate rises over ten steps and then falls in a straight line. Returns [(step, loss)],
    one pair a step, for `plots.curves`.
    """
    import torch
    from torch.optim.lr_scheduler import LambdaLR

    from course_utils.training import loop

    if batch_size > len(examples):
        raise ValueError(
            f"A batch of {batch_size} can't be drawn from {len(examples)} examples: give more, or "
            "batch_size=."
        )
    shuffler = random.Random(seed)
    torch.manual_seed(seed)  # dropout
    batches = (collate(shuffler.sample(examples, batch_size)) for _ in range(steps))
    forecast = Forecast(steps, model.device.type)
    with Progress("Training", steps) as progress:

        def after_step() -> None:
            forecast.step()
            progress.step()

        losses = loop.train(
            model,
            batches,
            lambda batch: model(**{name: tensor.to(model.device) for name, tensor in batch.items()}).loss,
            lambda optimizer: LambdaLR(optimizer, lambda step: _share_of_rate(step, steps)),
            learning_rate=learning_rate,
            after_step=after_step,
        )
    return list(enumerate(losses, 1))


def _share_of_rate(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / WARM_UP_STEPS) * (1 - step / steps)

"""One encoder with a head for each task, as lesson 09/01 builds it: the model,
batches, a training and the scores.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.lr_scheduler import LinearLR

from course_utils.batches import IGNORED
from course_utils.measure.progress import Progress
from course_utils.measure.scores import Score, proportion
from course_utils.training import loop
from course_utils.training.forecast import Forecast

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TASKS = {"reviews": 2, "topics": 6, "entities": 9}  # the number of classes
TOKEN_TASKS = {"entities"}  # a label for each word; the others have one for the whole text
PADDED = {"padding": True, "truncation": True, "return_token_type_ids": False, "return_tensors": "pt"}


class MultiTaskModel(torch.nn.Module):
    """A shared encoder and one linear head for each task."""

    def __init__(self, encoder: PreTrainedModel, tasks: Mapping[str, int] = TASKS) -> None:
        super().__init__()
        self.encoder = encoder
        size = encoder.config.dim
        self.heads = torch.nn.ModuleDict(
            {task: torch.nn.Linear(size, count) for task, count in tasks.items()}
        )

    def forward(self, task: str, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits: rows x classes, or rows x tokens x classes for a task that labels words."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if task not in TOKEN_TASKS:  # one answer for the text: the mean over its real tokens
            real = attention_mask.unsqueeze(-1)
            states = (states * real).sum(1) / real.sum(1)
        return self.heads[task](states)


def make_batch(
    tokenizer: PreTrainedTokenizerBase, task: str, rows: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """(inputs, labels) of some rows: a dict of tensors, and rows or rows x tokens of class numbers.

    In a task that labels words, a word's first token has its label; every other token, padding too, has -100.
    """
    if task not in TOKEN_TASKS:
        inputs = tokenizer([row["text"] for row in rows], **PADDED)
        return dict(inputs), torch.tensor([row["label"] for row in rows])
    inputs = tokenizer([row["tokens"] for row in rows], is_split_into_words=True, **PADDED)
    labels = torch.full_like(inputs["input_ids"], IGNORED)
    for place, row in enumerate(rows):
        words = inputs.word_ids(place)
        for token, word in enumerate(words):
            if word is not None and word != words[token - 1]:
                labels[place, token] = row["ner_tags"][word]
    return dict(inputs), labels


def task_loss(
    model: MultiTaskModel, task: str, inputs: Mapping[str, torch.Tensor], labels: torch.Tensor
) -> torch.Tensor:
    """Mean cross-entropy, in nats, over the rows or over the labelled tokens."""
    device = model.encoder.device  # the batch was made on the CPU
    logits = model(task, **{name: tensor.to(device) for name, tensor in inputs.items()})
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, -2), labels.to(device).flatten(), ignore_index=IGNORED
    )


@dataclass
class TrainingHistory:
    """What a training leaves behind: the order of the tasks, and a loss for each step."""

    tasks: list[str]
    losses: list[float]


def train(
    model: MultiTaskModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    choose: Callable[[int, random.Random], str],
    *,
    steps: int,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> TrainingHistory:
    """Train for some steps of AdamW, each on a batch of one task; leaves the model in
    eval mode and returns the `TrainingHistory`.

    rows: {task: list of rows}. choose: a function of the step's number (from 0) and a `random.Random` that
    names the task. Batches are drawn with replacement, so that a small task can be asked often.
    """
    dice = random.Random(seed)
    torch.manual_seed(seed)  # dropout
    history = TrainingHistory([], [])

    def batches() -> Iterator[tuple[str, dict[str, torch.Tensor], torch.Tensor]]:
        for step in range(steps):
            task = choose(step, dice)
            history.tasks.append(task)
            yield task, *make_batch(tokenizer, task, dice.choices(rows[task], k=batch_size))

    forecast = Forecast(steps, next(model.parameters()).device.type)
    with Progress("Training", steps) as progress:

        def after_step() -> None:
            forecast.step()
            progress.step()

        history.losses += loop.train(
            model,
            batches(),
            lambda batch: task_loss(model, *batch),
            lambda optimizer: LinearLR(optimizer, 1.0, 0.05, total_iters=steps),
            learning_rate=learning_rate,
            after_step=after_step,
        )
    return history


@torch.no_grad()
def score(
    model: MultiTaskModel, tokenizer: PreTrainedTokenizerBase, task: str, rows: Sequence[Mapping[str, Any]]
) -> Score:
    """The share of rows that are right, as a `Score`; a sentence of a task that labels
    words is right if every word is.
    """
    model.eval()
    hits = []
    for start in range(0, len(rows), 50):
        inputs, labels = make_batch(tokenizer, task, rows[start : start + 50])
        inputs = {name: tensor.to(model.encoder.device) for name, tensor in inputs.items()}
        right = (model(task, **inputs).argmax(-1).cpu() == labels) | (labels == IGNORED)
        hits += right.reshape(len(right), -1).all(1).tolist()
    return proportion(hits, task)


def shared_gradient(
    model: MultiTaskModel, tokenizer: PreTrainedTokenizerBase, task: str, rows: Sequence[Mapping[str, Any]]
) -> torch.Tensor:
    """The gradient of a task's loss on these rows with respect to the encoder,
    as one vector (encoder weights,); without dropout.
    """
    was_training = model.training
    model.eval()
    weights = [weight for weight in model.encoder.parameters() if weight.requires_grad]
    loss = task_loss(model, task, *make_batch(tokenizer, task, rows))
    gradients = torch.autograd.grad(loss, weights, allow_unused=True)
    model.train(was_training)
    return torch.cat(
        [
            torch.zeros_like(weight).flatten() if part is None else part.flatten()
            for weight, part in zip(weights, gradients, strict=True)
        ]
    )

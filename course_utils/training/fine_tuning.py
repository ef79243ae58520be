"""The short trainings of the twins that the measured tables are made of: data, batches, steps, scores.

Everything runs on the CPU in float32 with explicit seeds. What is claimed from it stands in
`course_utils.bench.phenomena`, `course_utils.bench.transfer` and `course_utils.bench.peft_methods`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.optim.lr_scheduler import LambdaLR

from course_utils import instructions, world
from course_utils.batches import IGNORED
from course_utils.datasets import corpora
from course_utils.measure.scores import Score, proportion
from course_utils.models import mixture
from course_utils.models.model import ASSETS
from course_utils.training import loop

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

#: Seeds that neither pre-training nor the shipped splits use.
TRAINING_SEED, FRESH_SEED = 31, 77
WARM_UP_STEPS = 20


# --- the flan-t5 twin -------------------------------------------------------------------------------------


def flan(**settings: Any) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The flan-t5 twin and its tokenizer; `settings` go into its config."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    folder = ASSETS / "flan-t5"
    return AutoModelForSeq2SeqLM.from_pretrained(
        folder, dtype=torch.float32, **settings
    ), AutoTokenizer.from_pretrained(folder)


@dataclass(frozen=True)
class FineTuning:
    """How the flan-t5 twin learns to summarise."""

    steps: int = 300
    batch_size: int = 16
    learning_rate: float = 5e-3
    replay_every: int = 0  # every so many batches is one of old tasks; 0: never
    seed: int = TRAINING_SEED


def summary_batches(
    tokenizer: PreTrainedTokenizerBase, plan: FineTuning
) -> Iterator[dict[str, torch.Tensor]]:
    """The padded batch of each step: fresh dialogues to summarise, and in its turn one of old tasks.

    Each is {"input_ids", "attention_mask", "labels"}, (rows, longest) int64.
    """
    for step in range(plan.steps):
        if plan.replay_every and step % plan.replay_every == plan.replay_every - 1:
            share = plan.batch_size // len(instructions.KNOWN_TASKS)
            pairs = [
                pair
                for task in instructions.KNOWN_TASKS
                for pair in corpora.pairs(task, share, plan.seed, step * share)
            ]
        else:
            pairs = list(corpora.pairs("summary", plan.batch_size, plan.seed, step * plan.batch_size))
        encode = lambda texts: tokenizer(list(texts), add_special_tokens=False)["input_ids"]  # noqa: E731
        prompts, targets = zip(*pairs, strict=True)
        yield mixture.sequence_to_sequence(
            list(zip(encode(prompts), encode(targets), strict=True)), tokenizer
        )


def fine_tune(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    plan: FineTuning,
    watched: Callable[[Iterator[dict]], Iterator[dict]] = iter,
) -> float:
    """Train in place with AdamW, warm-up and linear descent; returns the seconds it took.

    watched: goes between the batches and the training, to look at the model before a step.
    """
    torch.manual_seed(plan.seed)
    batches = watched(summary_batches(tokenizer, plan))
    return _descend(model, batches, plan.steps, plan.learning_rate, weight_decay=0.0)


def _descend(
    model: PreTrainedModel,
    batches: Iterable[dict],
    steps: int,
    learning_rate: float,
    weight_decay: float = 0.01,
    longest: float = 1.0,
) -> float:
    """One step of AdamW a batch, the rate warmed up and then falling in a line, gradients cut
    to `longest`; returns the seconds.
    """
    begun = time.perf_counter()
    loop.train(
        model,
        batches,
        lambda batch: model(**batch).loss,
        lambda optimizer: LambdaLR(
            optimizer, lambda step: min((step + 1) / WARM_UP_STEPS, (steps - step) / steps)
        ),
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        longest=longest,
    )
    return time.perf_counter() - begun


def _drawn(rows: list[dict], steps: int, batch_size: int = 16) -> Iterator[list[dict]]:
    """The rows of each step, drawn with replacement, the same in every call."""
    order = np.random.default_rng(0)
    for _ in range(steps):
        yield [rows[index] for index in order.integers(0, len(rows), batch_size)]


# --- the encoders -----------------------------------------------------------------------------------------


def classifier(
    name: str, labels: int, pretrained: bool = True, **settings: Any
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A twin with a head for `labels` classes, and its tokenizer; `settings` go into its config."""
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(0)
    folder = ASSETS / name
    config, tokenizer = (
        AutoConfig.from_pretrained(folder, num_labels=labels, **settings),
        AutoTokenizer.from_pretrained(folder),
    )
    if pretrained:
        return AutoModelForSequenceClassification.from_pretrained(
            folder, config=config, dtype=torch.float32
        ), tokenizer
    return AutoModelForSequenceClassification.from_config(config), tokenizer


def train_classifier(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: list[dict],
    steps: int,
    learning_rate: float,
    batch_size: int = 16,
) -> float:
    """Fine-tune in place on rows of text and label; returns the seconds."""
    batches = (labelled_batch(tokenizer, chosen) for chosen in _drawn(rows, steps, batch_size))
    return _descend(model, batches, steps, learning_rate)


def labelled_batch(tokenizer: PreTrainedTokenizerBase, rows: list[dict]) -> dict[str, torch.Tensor]:
    """Rows of text and label as one padded batch: (rows, longest) int64, and `labels`: (rows,) int64."""
    inputs = tokenizer([row["text"] for row in rows], padding=True, truncation=True, return_tensors="pt")
    return {**inputs, "labels": torch.tensor([row["label"] for row in rows])}


@torch.inference_mode()
def accuracy(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: list[dict]) -> Score:
    """The share of rows of text and label whose label the model finds most likely;
    the model is to be in eval mode.
    """
    hits: list[bool] = []
    for start in range(0, len(rows), 100):
        part = rows[start : start + 100]
        predicted = model(
            **tokenizer([row["text"] for row in part], padding=True, truncation=True, return_tensors="pt")
        ).logits.argmax(-1)
        hits += [row["label"] == label for row, label in zip(part, predicted.tolist(), strict=True)]
    return proportion(hits)


def tagger(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A twin with a head for the entity tags, and its tokenizer."""
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    torch.manual_seed(0)
    folder = ASSETS / name
    return (
        AutoModelForTokenClassification.from_pretrained(
            folder, num_labels=len(world.ENTITY_TAGS), dtype=torch.float32
        ),
        AutoTokenizer.from_pretrained(folder),
    )


def _tagging_batch(tokenizer: PreTrainedTokenizerBase, rows: list[dict]) -> dict[str, torch.Tensor]:
    """The first token of each word carries its tag; the other tokens are ignored."""
    inputs = tokenizer(
        [row["tokens"] for row in rows],
        is_split_into_words=True,
        padding=True,
        truncation=True,
        return_tensors="pt",
    )
    labels = torch.full_like(inputs["input_ids"], IGNORED)
    for position, row in enumerate(rows):
        seen = None
        for place, word in enumerate(inputs.word_ids(position)):
            if word is not None and word != seen:
                labels[position, place] = row["ner_tags"][word]
            seen = word
    return {**inputs, "labels": labels}


def train_tagger(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: list[dict],
    steps: int,
    learning_rate: float,
) -> None:
    """Fine-tune in place on rows of tokens and ner_tags."""
    batches = (_tagging_batch(tokenizer, chosen) for chosen in _drawn(rows, steps))
    _descend(model, batches, steps, learning_rate, longest=math.inf)


@torch.inference_mode()
def sentences_right(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: list[dict]) -> Score:
    """The share of sentences whose every tag is right."""
    hits: list[bool] = []
    for start in range(0, len(rows), 100):
        batch = _tagging_batch(tokenizer, rows[start : start + 100])
        labels = batch.pop("labels")
        wrong = (model(**batch).logits.argmax(-1) != labels) & (labels != IGNORED)
        hits += (~wrong.any(1)).tolist()
    return proportion(hits)

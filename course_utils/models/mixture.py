"""Batches for pre-training: a pure function of the step, so that an interrupted
run goes on exactly where it was.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch

from course_utils import world
from course_utils.batches import IGNORED, padded
from course_utils.datasets import corpora


@cache
def _sentinels(tokenizer: Any) -> tuple[int, ...]:
    return tuple(tokenizer.convert_tokens_to_ids([f"<extra_id_{index}>" for index in range(32)]))


def span_corruption(
    tokens: list[int],
    tokenizer: Any,
    generator: np.random.Generator,
    density: float = 0.15,
    mean_length: float = 3.0,
) -> tuple[list[int], list[int]]:
    """T5's denoising objective: spans become sentinels in the input, and the target spells them out.

    Source: Raffel et al. 2020, "Exploring the Limits of Transfer Learning", section 3.1.4
    (15 % of the tokens, spans of 3).
    """
    sentinels = _sentinels(tokenizer)
    noisy = max(1, round(len(tokens) * density))
    spans = min(max(1, round(noisy / mean_length)), len(sentinels) - 1, len(tokens) - noisy)
    lengths = 1 + generator.multinomial(noisy - spans, np.full(spans, 1 / spans))
    gaps = 1 + generator.multinomial(len(tokens) - noisy - spans, np.full(spans + 1, 1 / (spans + 1)))
    gaps[-1] -= 1
    source: list[int] = []
    target: list[int] = []
    position = 0
    for sentinel, gap, length in zip(sentinels, gaps, lengths, strict=False):
        source += [*tokens[position : position + gap], sentinel]
        target += [sentinel, *tokens[position + gap : position + gap + length]]
        position += gap + length
    return source + tokens[position:], [*target, sentinels[spans]]


def sequence_to_sequence(pairs: list[tuple[list[int], list[int]]], tokenizer: Any) -> dict[str, torch.Tensor]:
    """Inputs and labels with an end mark each; padding in the labels is ignored by the loss."""
    end, padding = tokenizer.eos_token_id, tokenizer.pad_token_id
    input_ids = padded([[*source, end] for source, _ in pairs], padding)
    labels = padded([[*target, end] for _, target in pairs], IGNORED)
    return {"input_ids": input_ids, "attention_mask": (input_ids != padding).long(), "labels": labels}


def _encoded(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    return tokenizer(texts, add_special_tokens=False)["input_ids"]


def _topic_pairs(count: int, start: int) -> list[tuple[str, str]]:
    rows = corpora.records("topics", corpora.PRETRAINING_SEED, count, start=start)
    return [(f"Which desk of the paper? {row['text']}", world.TOPIC_LABELS[row["label"]]) for row in rows]


def _matter_pairs(count: int, start: int) -> list[tuple[str, str]]:
    """What a conversation is about, in the shop's own terms: the nearest that
    pre-training comes to summaries.
    """
    rows = corpora.records("dialogues", corpora.PRETRAINING_SEED, count, start=start)
    return [(f"What is the matter? {row['dialogue']}", row["topic"]) for row in rows]


def _repeat_pairs(count: int, start: int) -> list[tuple[str, str]]:
    """Words in no order, to be said again: only copying can do it, and names and answers need copying."""
    generator = np.random.default_rng((corpora.PRETRAINING_SEED, start))
    pairs = []
    for text in corpora.passages(count, start=start):
        words = " ".join(generator.permutation(text.split())[: generator.integers(2, 10)])
        pairs.append((f"Repeat: {words}", words))
    return pairs


def _instruction_pairs(task: str, step: int, count: int) -> list[tuple[str, str]]:
    start = step * count
    if task == "topics":
        return _topic_pairs(count, start)
    if task == "matters":
        return _matter_pairs(count, start)
    if task == "repeat":
        return _repeat_pairs(count, start)
    return list(corpora.pairs(task, count, start=start))


def instruction_batches(
    step: int, tokenizer: Any, groups: tuple[dict[str, int], ...], denoised: int
) -> list[dict[str, torch.Tensor]]:
    """The batches of one T5 step: one a group of tasks of like length, so that little of them is padding.

    Args:
        step: decides which records are read.
        groups: records of each task, by task name, `topics`, `matters` or `repeat`.
        denoised: passages of general text for span corruption, added to the last group.
    """
    batches = []
    for position, shares in enumerate(groups, start=1):
        texts = [pair for task, count in shares.items() for pair in _instruction_pairs(task, step, count)]
        prompts, targets = zip(*texts, strict=True)
        pairs = list(zip(_encoded(tokenizer, list(prompts)), _encoded(tokenizer, list(targets)), strict=True))
        if denoised and position == len(groups):
            generator = np.random.default_rng((corpora.PRETRAINING_SEED, step))
            passages = _encoded(tokenizer, list(corpora.passages(denoised, start=step * denoised)))
            pairs += [span_corruption(passage, tokenizer, generator) for passage in passages]
        batches.append(sequence_to_sequence(pairs, tokenizer))
    return batches


def loss_by_record(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The mean over records of the mean loss of their tokens: a one-word answer
    weighs as much as a sentence.
    """
    labels = batch["labels"]
    logits = model(**batch).logits
    losses = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none"
    )
    counted = (labels != IGNORED).sum(1)
    return (losses.sum(1) / counted).mean()


def masked_batch(step: int, tokenizer: Any, count: int, probability: float = 0.15) -> dict[str, torch.Tensor]:
    """A masked-language-model batch of general text (Devlin et al. 2019, section 3.1)."""
    rows = tokenizer(list(corpora.passages(count, start=step * count)), truncation=True)["input_ids"]
    input_ids = padded(rows, tokenizer.pad_token_id)
    return _masked(step, tokenizer, input_ids, torch.full(input_ids.shape, probability))


def closing_batch(step: int, tokenizer: Any, count: int) -> dict[str, torch.Tensor]:
    """Reviews whose whole closing remark is masked: to fill it in, one has to understand the review.

    The idea of masking what matters is that of salient spans (Guu et al. 2020, "REALM", section 3.4).
    """
    texts, closings = zip(
        *world.reviews_with_closings(corpora.PRETRAINING_SEED, count, step * count), strict=True
    )
    rows, chances = [], []
    for text, closing in zip(
        _encoded(tokenizer, list(texts)), _encoded(tokenizer, list(closings)), strict=True
    ):
        rows.append([tokenizer.cls_token_id, *text, *closing, tokenizer.sep_token_id])
        chances.append([0.0] * (1 + len(text)) + [1.0] * len(closing) + [0.0])
    width = max(map(len, rows))
    return _masked(
        step,
        tokenizer,
        padded(rows, tokenizer.pad_token_id),
        torch.tensor([row + [0.0] * (width - len(row)) for row in chances]),
    )


def _masked(
    seed: int, tokenizer: Any, input_ids: torch.Tensor, probability: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Of the chosen tokens 80 % are masked, 10 % are random and 10 % stay;
    special tokens are never chosen.
    """
    generator = torch.Generator().manual_seed(seed)
    special = torch.isin(input_ids, torch.tensor(tokenizer.all_special_ids))
    chosen = (torch.rand(input_ids.shape, generator=generator) < probability) & ~special
    labels = torch.where(chosen, input_ids, IGNORED)
    fate = torch.rand(input_ids.shape, generator=generator)
    noise = torch.randint(
        len(tokenizer.all_special_ids), len(tokenizer), input_ids.shape, generator=generator
    )
    corrupted = torch.where(chosen & (fate < 0.8), tokenizer.mask_token_id, input_ids)
    corrupted = torch.where(chosen & (fate > 0.9), noise, corrupted)
    return {
        "input_ids": corrupted,
        "attention_mask": (input_ids != tokenizer.pad_token_id).long(),
        "labels": labels,
    }


def causal_batch(step: int, tokenizer: Any, count: int) -> dict[str, torch.Tensor]:
    """A next-token batch; every passage ends with the end mark."""
    rows = _encoded(tokenizer, list(corpora.passages(count, start=step * count)))
    rows = [[*row[:255], tokenizer.eos_token_id] for row in rows]
    input_ids = padded(rows, tokenizer.eos_token_id)
    labels = padded(rows, IGNORED)
    return {"input_ids": input_ids, "attention_mask": (labels != IGNORED).long(), "labels": labels}

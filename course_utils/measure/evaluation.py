"""Measuring a model: what it writes, how good that is, and how sure we may be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from course_utils.measure.progress import Progress
from course_utils.measure.scores import Score, bootstrap, difference, mean_of, proportion

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = [
    "Score",
    "accuracy",
    "bootstrap",
    "difference",
    "evaluating",
    "exact_match",
    "generate",
    "heldout_loss",
    "mean_of",
    "proportion",
    "rouge_l",
    "task_score",
]

Item = TypeVar("Item")
Model = TypeVar("Model", bound="Module")


# Scores of predictions against references


def accuracy(predictions: Iterable[object], references: Iterable[object]) -> Score:
    """The share of labels that are right, as a `Score`."""
    pairs = _pairs(predictions, references)
    return proportion([prediction == reference for prediction, reference in pairs], "accuracy")


def exact_match(predictions: Iterable[str], references: Iterable[str]) -> Score:
    """The share of texts equal to their reference, as a `Score`; runs of white space count as one space."""
    pairs = _pairs(predictions, references)
    hits = [_spaced(prediction) == _spaced(reference) for prediction, reference in pairs]
    return proportion(hits, "exact match")


def rouge_l(predictions: Iterable[str], references: Iterable[str]) -> Score:
    """The mean ROUGE-L of texts against their references, from 0 to 1, as a `Score`.

    ROUGE-L is the F1 of the longest common subsequence of words (Lin 2004), lower case, without stemming, as
    Google's rouge_score computes it.
    """
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    pairs = _pairs(predictions, references)
    return bootstrap(
        [scorer.score(reference, prediction)["rougeL"].fmeasure for prediction, reference in pairs],
        name="ROUGE-L",
    )


def _pairs(predictions: Iterable[Item], references: Iterable[Item]) -> list[tuple[Item, Item]]:
    predictions, references = list(predictions), list(references)
    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions can't be scored by {len(references)} references.")
    return list(zip(predictions, references, strict=True))


def _spaced(text: object) -> str:
    return " ".join(str(text).split())


# What a model writes


@contextmanager
def evaluating(model: Model) -> Iterator[Model]:
    """The model in eval mode, so without dropout; afterwards every part is in the mode it was in before."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield model
    finally:
        for module, training in modes:
            module.training = training


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Iterable[str],
    *,
    max_new_tokens: int = 64,
    batch_size: int = 32,
) -> list[str]:
    """What the model writes after each prompt: greedy, in eval mode, one text per prompt in the same order.

    Prompts of similar length share a batch, which saves padding. Works for models that read and write
    (encoder-decoder) and for those that go on (decoder-only); special tokens and the prompt are left out.
    """
    import torch

    prompts = list(prompts)
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    texts = [""] * len(prompts)
    with evaluating(model), torch.inference_mode(), Progress("Writing answers", len(prompts)) as progress:
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            written = _write(model, tokenizer, [prompts[index] for index in batch], max_new_tokens)
            for index, text in zip(batch, written, strict=True):
                texts[index] = text
            progress.step(len(batch))
    return texts


def _write(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[str], max_new_tokens: int
) -> list[str]:
    """One batch through `model.generate`; returns a list of texts."""
    reads_and_writes = model.config.is_encoder_decoder
    if tokenizer.pad_token is None:  # GPT-2 has none; any token does, as the attention mask hides it
        tokenizer.pad_token = tokenizer.eos_token
    # a decoder goes on from the last position, so there the padding must be on the left
    side = "right" if reads_and_writes else "left"
    inputs = tokenizer(prompts, padding=True, padding_side=side, truncation=True, return_tensors="pt")
    tokens = model.generate(
        **{name: inputs[name].to(model.device) for name in ("input_ids", "attention_mask")},
        max_new_tokens=max_new_tokens,
        do_sample=False,
        num_beams=1,
        pad_token_id=tokenizer.pad_token_id,
    )
    if not reads_and_writes:
        tokens = tokens[:, inputs["input_ids"].shape[1] :]
    return [text.strip() for text in tokenizer.batch_decode(tokens, skip_special_tokens=True)]


def task_score(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    task: str,
    rows: Iterable[dict[str, Any]],
    *,
    max_new_tokens: int = 64,
    batch_size: int = 32,
) -> Score:
    """How well the model follows one instruction, as a `Score` named after the task.

    task: one of `course_utils.instructions.TASKS`; rows: examples of that task's dataset. Summaries are
    scored by ROUGE-L, all other tasks by exact match.
    """
    from course_utils import instructions

    rows = list(rows)
    prompts = [instructions.prompt(task, row) for row in rows]
    references = [instructions.target(task, row) for row in rows]
    predictions = generate(model, tokenizer, prompts, max_new_tokens=max_new_tokens, batch_size=batch_size)
    score = (rouge_l if task == "summary" else exact_match)(predictions, references)
    return Score(score.value, score.low, score.high, score.n, task, score.values)


# What a model expects


def heldout_loss(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], *, max_length: int = 128
) -> Score:
    """The model's loss on plain text, in nats per token and averaged over texts, as a `Score`; less is
    better.

    The loss is that of the model's own pre-training: the next token for a decoder; for T5, short spans
    replaced by sentinels, at fixed places so that two models are asked the same.
    """
    import torch

    losses = []
    texts = list(texts)
    with evaluating(model), torch.inference_mode(), Progress("Reading texts", len(texts)) as progress:
        for text in texts:
            tokens = tokenizer(text, truncation=True, max_length=max_length)["input_ids"]
            if len(tokens) > 1:
                seq2seq = model.config.is_encoder_decoder
                asked = _span_question(tokens, tokenizer) if seq2seq else (tokens, tokens)
                inputs, labels = (torch.tensor([ids], device=model.device) for ids in asked)
                losses.append(model(input_ids=inputs, labels=labels).loss.item())
            progress.step()
    return bootstrap(losses, name="held-out loss")


SPAN, STRIDE = (
    3,
    20,
)  # T5 hides 15 % of the tokens in spans of 3 on average (Raffel et al. 2020, section 3.1.4)


def _span_question(tokens: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """(input, labels) of T5's span corruption, with the spans at fixed places instead of random ones."""
    *tokens, end = tokens
    sentinels = iter(tokenizer.convert_tokens_to_ids([f"<extra_id_{number}>" for number in range(100)]))
    first = min(STRIDE // 2, len(tokens) // 2)
    inputs, labels, position = [], [], 0
    for start in range(first, len(tokens), STRIDE):
        sentinel = next(sentinels)
        inputs += [*tokens[position:start], sentinel]
        labels += [sentinel, *tokens[start : start + SPAN]]
        position = start + SPAN
    return [*inputs, *tokens[position:], end], [*labels, next(sentinels), end]

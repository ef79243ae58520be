"""What lessons 08/07 and 09/04 do with a sentence encoder: vectors of sentences by the mean over the
tokens, as all-MiniLM-L6-v2 was trained (Reimers and Gurevych 2019, arXiv:1908.10084), and a head on them.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from course_utils.measure.evaluation import evaluating

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LONGEST = 32  # tokens; three of four of the rated sentences have no more
CLEAR = 0.5  # a mean rating further from 0 than this is a clear one


def clear(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows whose mean rating is clear, each with its sign as "label": 1 for above 0, else 0."""
    return [{**row, "label": int(row["rating"] > 0)} for row in rows if abs(row["rating"]) > CLEAR]


def batch_of(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], longest: int = LONGEST
) -> dict[str, torch.Tensor]:
    """ "input_ids" and "attention_mask" of texts, (rows, tokens), cut after `longest` tokens."""
    made = tokenizer(list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt")
    return {name: made[name] for name in ("input_ids", "attention_mask")}


def mean_over_tokens(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(rows, size) from states (rows, tokens, size): the mean over the tokens whose mask is 1."""
    real = mask.unsqueeze(-1).to(states.dtype)
    return (states * real).sum(1) / real.sum(1)


# A training of the upper layers alone: the lower ones stay as they are, so they read each text only once


def lower_states(
    encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], depth: int
) -> list[torch.Tensor]:
    """What stands behind the lowest `depth` layers of a BERT: for each text its (tokens, size)."""
    lower = copy.deepcopy(encoder).eval()
    lower.encoder.layer = lower.encoder.layer[:depth]
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    found: dict[int, torch.Tensor] = {}
    with torch.no_grad():
        for start in range(0, len(order), 50):
            places = order[start : start + 50]
            batch = batch_of(tokenizer, [texts[place] for place in places])
            batch = {name: tensor.to(encoder.device) for name, tensor in batch.items()}
            states = lower(**batch).last_hidden_state
            for place, row, real in zip(places, states, batch["attention_mask"].bool(), strict=True):
                found[place] = row[real].clone()
    return [found[place] for place in range(len(texts))]


class UpperLayers(torch.nn.Module):
    """Copies of a BERT's layers from number `depth` on (counted from 0), and linear heads on their mean.

    heads: {name: how many numbers it gives}. Called with states (tokens, size) of each row; returns (rows,
    size). A head is one of `heads`, to be called with that.
    """

    def __init__(self, encoder: PreTrainedModel, depth: int, heads: Mapping[str, int] | None = None) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(copy.deepcopy(layer) for layer in encoder.encoder.layer[depth:])
        size = encoder.config.hidden_size
        self.heads = torch.nn.ModuleDict(
            {name: torch.nn.Linear(size, count) for name, count in (heads or {}).items()}
        ).to(encoder.device)

    def forward(self, states: Sequence[torch.Tensor]) -> torch.Tensor:
        padded = torch.nn.utils.rnn.pad_sequence(list(states), batch_first=True)
        lengths = torch.tensor([len(row) for row in states], device=padded.device)
        mask = (torch.arange(padded.shape[1], device=padded.device) < lengths[:, None]).to(padded.dtype)
        hidden = (1 - mask)[:, None, None, :] * torch.finfo(padded.dtype).min  # added to what attention sees
        for layer in self.layers:
            padded = layer(padded, hidden)
        return mean_over_tokens(padded, mask)


def upper_vectors(upper: UpperLayers, states: Sequence[torch.Tensor]) -> torch.Tensor:
    """The vectors (texts, size) that upper layers make of states, without dropout or gradient."""
    with evaluating(upper), torch.no_grad():
        return torch.cat([upper(states[start : start + 50]) for start in range(0, len(states), 50)])


# A head that begins as a regression on the frozen vectors


def begin_head(head: torch.nn.Linear, found: torch.Tensor, wanted: Sequence[float]) -> None:
    """Set a head to the regression of `wanted` on vectors (rows, size): logistic for two classes, ridge for
    one number.

    A head that begins at random sends random gradients into the encoder; one that is fitted first does not
    (Kumar et al. 2022, arXiv:2202.10054).
    """
    from sklearn.linear_model import LogisticRegression, Ridge

    regression = Ridge() if head.out_features == 1 else LogisticRegression(max_iter=1000)
    regression.fit(found.cpu().numpy(), list(wanted))
    weight, bias = (
        torch.as_tensor(part, dtype=torch.float32) for part in (regression.coef_, regression.intercept_)
    )
    weight, bias = weight.reshape(1, -1), bias.reshape(1)
    if head.out_features == 2:  # the logits' difference is the regression's one number
        weight, bias = (torch.cat([-part / 2, part / 2]) for part in (weight, bias))
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(bias)

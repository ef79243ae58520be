"""A sentence encoder that is trained whole: vectors of sentences, and a classifier on them (lesson 10/07)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from course_utils.measure.evaluation import evaluating
from course_utils.training.sentences import batch_of, mean_over_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class SentenceClassifier(torch.nn.Module):
    """A sentence encoder and one linear layer on the mean over its tokens. Called: logits (rows, classes)."""

    def __init__(self, encoder: Any, classes: int = 2) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = torch.nn.Linear(encoder.config.hidden_size, classes)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        logits: torch.Tensor = self.head(mean_over_tokens(states, attention_mask))
        return logits


def vectors(encoder: Any, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> torch.Tensor:
    """The vectors (texts, size) of texts, in their order, on the CPU; without dropout or gradient.

    Texts of like length share a batch, which saves padding.
    """
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    found = torch.empty(len(texts), encoder.config.hidden_size)
    with evaluating(encoder), torch.no_grad():
        for start in range(0, len(order), 50):
            places = order[start : start + 50]
            batch = batch_of(tokenizer, [texts[place] for place in places])
            batch = {name: tensor.to(encoder.device) for name, tensor in batch.items()}
            states = encoder(**batch).last_hidden_state
            found[places] = mean_over_tokens(states, batch["attention_mask"]).float().cpu()
    return found

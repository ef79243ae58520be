"""One encoder that reads, two heads that answer: the topic of a text, and its mood."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import ModelOutput

HEADS = ("topic", "mood")  # the columns of the labels, in this order; -100 where a text has none


class TwoHeadsConfig(PreTrainedConfig):
    """encoder: the encoder's own configuration, as a dict. sizes: the number of labels of each head."""

    model_type = "two_heads"

    encoder: dict | None = None
    sizes: list | None = None


class TwoHeads(PreTrainedModel):
    """The encoder's first vector, and a linear layer for each head."""

    config_class = TwoHeadsConfig

    def __init__(self, config: TwoHeadsConfig, encoder: Any = None) -> None:
        super().__init__(config)
        self.encoder = encoder or AutoModel.from_config(
            AutoConfig.for_model(**config.encoder), dtype=torch.float32
        )
        width = self.encoder.config.hidden_size
        self.heads = torch.nn.ModuleList([torch.nn.Linear(width, size) for size in config.sizes])
        self.post_init()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> ModelOutput:
        """The logits of both heads, by their names. The loss is not in here: see `loss_of_both`."""
        first = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state[:, 0]
        return ModelOutput({name: head(first) for name, head in zip(HEADS, self.heads, strict=True)})


def from_encoder(path: str, sizes: list[int]) -> TwoHeads:
    """A pre-trained encoder with two new heads, of so many labels each."""
    encoder = AutoModel.from_pretrained(path, dtype=torch.float32)
    return TwoHeads(TwoHeadsConfig(encoder=encoder.config.to_dict(), sizes=sizes), encoder)


def loss_of_both(mood_weight: float) -> Any:
    """A `compute_loss_func`: the sum over all labels of a step, divided by their number."""

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        sums = [
            cross_entropy(outputs[name], labels[:, place], ignore_index=-100, reduction="sum")
            for place, name in enumerate(HEADS)
        ]
        count = (labels != -100).sum() if num_items_in_batch is None else num_items_in_batch
        return (sums[0] + mood_weight * sums[1]) / count

    return loss


def accuracies(prediction: Any) -> dict[str, float]:
    """For the Trainer's `compute_metrics`: each head's accuracy on the rows with its label, and how many."""
    found = {}
    for place, name in enumerate(HEADS):
        labels = prediction.label_ids[:, place]
        known = labels != -100
        right = prediction.predictions[place].argmax(axis=-1)[known] == labels[known]
        found |= {f"{name}_accuracy": float(right.mean()), f"{name}_n": int(known.sum())}
    return found

"""Bottleneck adapters, which the peft library does not have: small networks
between the layers of a frozen model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Bottleneck(nn.Module):
    """x + up(relu(down(x))), with `up` at zero, so that at first nothing changes.

    hidden: (..., size) float; what comes out has the same shape.

    Source: Houlsby et al. 2019, "Parameter-Efficient Transfer Learning for NLP", section 2.1.
    """

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(size, width), nn.Linear(width, size)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden + self.up(torch.relu(self.down(hidden)))


def add_bottlenecks(model: PreTrainedModel, width: int = 8) -> PreTrainedModel:
    """Freeze a T5 and put a `Bottleneck` behind every block, in place; only the adapters are trained.

    Returns the model.
    """
    model.requires_grad_(False)
    for stack in (model.encoder, model.decoder):
        stack.adapters = nn.ModuleList(Bottleneck(model.config.d_model, width) for _ in stack.block)
        for block, adapter in zip(stack.block, stack.adapters, strict=True):
            block.register_forward_hook(_through(adapter))
    return model


def adapter_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """The weights of the adapters alone: what has to be saved."""
    return {name: value for name, value in model.state_dict().items() if ".adapters." in name}


def _through(adapter: Bottleneck) -> Callable[..., Any]:
    """A hook that sends a block's output, the first of a tuple, through the adapter."""

    def hook(block: nn.Module, inputs: Any, outputs: Any) -> Any:
        if isinstance(outputs, tuple):
            return (adapter(outputs[0]), *outputs[1:])
        return adapter(outputs)

    return hook

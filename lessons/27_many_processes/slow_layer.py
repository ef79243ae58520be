"""A layer whose backward pass takes its time on any machine; in a file, where a rank finds its class."""

from __future__ import annotations

import time
from typing import Any

import torch

SECONDS = 0.05


class Sleeping(torch.autograd.Function):
    """A product, number by number, that sleeps in its backward pass."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(x, weight)
        return x * weight

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        time.sleep(SECONDS)
        x, weight = context.saved_tensors
        return gradient * weight, gradient * x


class Layer(torch.nn.Module):
    """A vector of weights, 1 MiB."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2**18))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return Sleeping.apply(x, self.weight)

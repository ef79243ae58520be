"""A block cut over ranks by hand: its first layer by columns, its second by rows."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from blocks import Block


class ToAll(torch.autograd.Function):
    """Forward nothing; backward the gradients of all ranks are added up."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor) -> torch.Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        gradient = gradient.contiguous()
        dist.all_reduce(gradient)
        return gradient


class FromAll(torch.autograd.Function):
    """Forward the outputs of all ranks are added up; backward nothing."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor) -> torch.Tensor:
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient


class CutBlock(torch.nn.Module):
    """This rank's part of a block: some of the hidden numbers, from their making to their use."""

    def __init__(self, whole: Block) -> None:
        super().__init__()
        rank, world = dist.get_rank(), dist.get_world_size()

        def part(weight: torch.Tensor, dimension: int) -> torch.nn.Parameter:
            return torch.nn.Parameter(weight.detach().tensor_split(world, dimension)[rank].clone())

        self.out, self.out_bias = part(whole.out.weight, 0), part(whole.out.bias, 0)
        self.back = part(whole.back.weight, 1)
        self.back_bias = torch.nn.Parameter(whole.back.bias.detach().clone())  # whole on each rank

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(torch.nn.functional.linear(ToAll.apply(x), self.out, self.out_bias))
        return x + FromAll.apply(torch.nn.functional.linear(hidden, self.back)) + self.back_bias

"""A small stack of blocks that says which weights are whole when; in a file, where a rank finds its class."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

WIDTH, BLOCKS, ROWS = 64, 4, 32


def own(tensor: torch.Tensor) -> torch.Tensor:
    """The part that lies on this rank."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


class Block(nn.Module):
    """Out to four times the width and back, added to what came in. watcher: called with "forward" and
    "backward" in the midst of each.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out, self.back = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.watcher: Any = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.out(x)
        if self.watcher:
            self.watcher("forward")
            hidden.register_hook(lambda _: self.watcher("backward"))
        return x + self.back(torch.relu(hidden))


def make(seed: int = 0, blocks: int = BLOCKS, width: int = WIDTH) -> nn.Sequential:
    """The same weights on every rank."""
    torch.manual_seed(seed)
    return nn.Sequential(*(Block(width) for _ in range(blocks)))


def batch(step: int, rows: int = ROWS, width: int = WIDTH) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of all ranks, and what shall come of them: a turn of the row. Both [rows, width]."""
    drawn = torch.randn(rows, width, generator=torch.Generator().manual_seed(step))
    return drawn, drawn.roll(1, dims=1)


def sharded(per_block: bool = True, **options: Any) -> nn.Module:
    """Each block by itself and then what is left, or all in one piece."""
    model, mesh = make(), init_device_mesh("cpu", (dist.get_world_size(),))
    for block in model if per_block else []:
        fully_shard(block, mesh=mesh, **options)
    return fully_shard(model, mesh=mesh, **options)

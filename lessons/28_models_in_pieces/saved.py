"""A sharded model that is saved in pieces, whole or not at all, and read by any number of ranks."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from blocks import batch, sharded
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict


def start() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    model = sharded()
    return model, torch.optim.AdamW(model.parameters(), lr=1e-3)


def train(model: torch.nn.Module, optimizer: torch.optim.Optimizer, step: int) -> torch.Tensor:
    """One step on this rank's rows; gives the loss over all ranks."""
    rank, world = dist.get_rank(), dist.get_world_size()
    x, y = batch(step)
    loss = (model(x[rank::world]) - y[rank::world]).square().mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    total = loss.detach() * len(x[rank::world])
    dist.all_reduce(total)
    return total / len(x)


def state_of(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, object]:
    weights, moments = get_state_dict(model, optimizer)
    return {"model": weights, "optimizer": moments}


def save(folder: Path, step: int, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Every rank calls it. Under its own name only when all ranks have written."""
    part = folder / f"step-{step}.part"
    dcp.save(state_of(model, optimizer), checkpoint_id=part)
    dist.barrier()
    if dist.get_rank() == 0:
        part.rename(folder / f"step-{step}")
    dist.barrier()


def newest(folder: Path) -> int:
    """The last step that is saved whole; 0 if there is none."""
    whole = [each.name.removeprefix("step-") for each in folder.glob("step-*") if each.suffix != ".part"]
    return max(map(int, whole), default=0)


def load(folder: Path, step: int, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Every rank calls it, and reads what its own shards need."""
    state = state_of(model, optimizer)
    dcp.load(state, checkpoint_id=folder / f"step-{step}")
    set_state_dict(model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])

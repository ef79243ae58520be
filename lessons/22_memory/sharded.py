"""One training step on several ranks, with weights, gradients and optimizer state kept once or on each rank.

Stages 0 to 3 as the ZeRO paper counts them. The ranks are processes that meet over a file and talk over the
loopback device; each writes what it counted into the storage, as rank-0.json, rank-1.json, ...
"""

from __future__ import annotations

import json
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.distributed.tensor import DTensor
from torch.distributed.tensor.debug import CommDebugMode
from torch.nn.functional import cross_entropy

from course_utils.training.ranks import on_ranks

#: widths: of the layers, from the inputs to the classes. rows: of a batch, over all ranks.
SETTINGS = {"widths": [256, 512, 512, 256, 16], "rows": 64, "steps": 3, "rate": 0.001, "seed": 0}


def make(widths: list[int], seed: int) -> torch.nn.Sequential:
    """Linear layers with a tanh between them, in blocks, so that each can be sharded by itself."""
    torch.manual_seed(seed)
    blocks = [torch.nn.Sequential(torch.nn.Linear(*pair), torch.nn.Tanh()) for pair in pairwise(widths)]
    return torch.nn.Sequential(*blocks)


def data(settings: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """The same rows and labels on every rank."""
    torch.manual_seed(settings["seed"] + 1)
    widths = settings["widths"]
    return torch.randn(settings["rows"], widths[0]), torch.randint(widths[-1], (settings["rows"],))


def shard(model: torch.nn.Sequential, stage: int, mesh: DeviceMesh) -> None:
    """Each block by itself, then what is left. Stage 2 keeps gathered weights until the backward pass."""
    for block in model:
        fully_shard(block, mesh=mesh, reshard_after_forward=stage == 3)
    fully_shard(model, mesh=mesh, reshard_after_forward=stage == 3)


def optimizer_of(model: torch.nn.Module, stage: int, rate: float) -> torch.optim.Optimizer:
    if stage == 1:
        return ZeroRedundancyOptimizer(model.parameters(), torch.optim.AdamW, lr=rate)
    return torch.optim.AdamW(model.parameters(), lr=rate)


def own(tensor: torch.Tensor) -> torch.Tensor:
    """The part that lies on this rank."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def bytes_of(tensors: list[torch.Tensor]) -> int:
    return sum(own(each).nbytes for each in tensors)


def state_of(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    """The running means; the count of steps is one number a tensor and is left out."""
    inner = getattr(optimizer, "optim", optimizer)  # ZeroRedundancyOptimizer keeps the real one inside
    return [each for state in inner.state.values() for each in state.values() if each.ndim]


def train(
    settings: dict[str, Any], stage: int, rank: int, world: int
) -> tuple[dict[str, Any], list[torch.Tensor]]:
    """(what this rank holds in bytes and what it sent, the whole weights after the last step)."""
    warnings.filterwarnings("ignore", "Full backward hook")  # of CommDebugMode, on every module
    warnings.filterwarnings("ignore", "FSDP2-wrapped module")  # nothing is changed in place here
    model, (x, y) = make(settings["widths"], settings["seed"]), data(settings)
    if stage >= 2:
        shard(model, stage, init_device_mesh("cpu", (world,)))
    optimizer = optimizer_of(model, stage, settings["rate"])
    found: dict[str, Any] = {}
    for _ in range(settings["steps"]):
        optimizer.zero_grad()
        with CommDebugMode() as sent:
            loss = cross_entropy(model(x[rank::world]), y[rank::world])
            found["weights after forward"] = bytes_of(list(model.parameters()))
            loss.backward()
            if stage < 2 and world > 1:
                average(model, world)
            found["gradients"] = bytes_of([weight.grad for weight in model.parameters()])
            optimizer.step()
    found["weights"], found["state"] = bytes_of(list(model.parameters())), bytes_of(state_of(optimizer))
    found["calls"] = {str(call).rpartition(".")[2]: number for call, number in sent.get_comm_counts().items()}
    return found, [
        each.full_tensor() if isinstance(each, DTensor) else each.detach() for each in model.parameters()
    ]


def average(model: torch.nn.Module, world: int) -> None:
    for weight in model.parameters():
        dist.all_reduce(weight.grad)
        weight.grad /= world


def worker(storage: Path, settings: dict[str, Any], stages: list[int]) -> None:
    """What one rank does: every stage, one after the other."""
    rank, world = dist.get_rank(), dist.get_world_size()
    found = {}
    for stage in stages:
        found[stage], weights = train(settings, stage, rank, world)
        if rank == 0:
            torch.save(weights, storage / f"weights-{stage}.pt")
    (storage / f"rank-{rank}.json").write_text(json.dumps(found), encoding="utf-8")


def start(storage: Path, settings: dict[str, Any], stages: list[int], world: int = 2) -> list[dict[str, Any]]:
    """What each rank counted, {stage: counts} each. However this ends, no process is left.

    Raises RuntimeError if a rank fails; the others are ended then.
    """
    storage.mkdir(parents=True, exist_ok=True)
    on_ranks(worker, storage.resolve(), SETTINGS | settings, stages, world=world, seconds=300)
    return [json.loads((storage / f"rank-{rank}.json").read_text(encoding="utf-8")) for rank in range(world)]

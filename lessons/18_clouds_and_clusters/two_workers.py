"""One training function for several workers, and the least that can start it.

The function knows nobody who starts it: they say which worker it is, which checkpoint to take up, and how to
report one. Leaves weights.pt in the storage, and a line in starts.jsonl for each start of the workers.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.functional import cross_entropy

#: die: [worker, step] that is killed behind this step, the first time that it gets there.
SETTINGS = {"steps": 30, "rows": 320, "batch": 32, "rate": 0.05, "every": 10, "seed": 0, "die": None}
State = dict[str, Any]


def make(seed: int, rows: int) -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor]:
    """A model, and rows of which a hidden one like it made the labels."""
    torch.manual_seed(seed)
    hidden = torch.nn.Linear(16, 4)
    x = torch.randn(rows, 16)
    return torch.nn.Linear(16, 4), x, hidden(x).argmax(dim=1)


def average(model: torch.nn.Module, world: int) -> None:
    """Replace every worker's gradients by their mean over all workers: one all-reduce for each tensor."""
    for weight in model.parameters():
        dist.all_reduce(weight.grad)  # the sum, in place, on every worker
        weight.grad /= world


def train(
    settings: dict[str, Any],
    rank: int,
    world: int,
    newest: State | None,
    report: Callable[[dict[str, float], State | None], None],
) -> State:
    """Train to the last step, from the newest checkpoint if there is one. Returns the weights.

    report: is called by every worker at every checkpoint; worker 0 alone hands over the state.
    """
    torch.set_num_threads(1)
    chosen = SETTINGS | settings
    model, x, y = make(chosen["seed"], chosen["rows"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=chosen["rate"])
    began = 0
    if newest:
        model.load_state_dict(newest["model"])
        optimizer.load_state_dict(newest["optimizer"])
        began = newest["step"]
    for step in range(began, chosen["steps"]):
        first = step * chosen["batch"] % chosen["rows"]
        share = slice(first + rank, first + chosen["batch"], world)  # every world-th row of the batch
        loss = cross_entropy(model(x[share]), y[share])
        optimizer.zero_grad()
        loss.backward()
        if world > 1:
            average(model, world)
        optimizer.step()
        if (step + 1) % chosen["every"] == 0:
            state = {"step": step + 1, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
            report({"step": step + 1, "loss": loss.item()}, state if rank == 0 else None)
        if began == 0 and chosen["die"] == [rank, step + 1]:
            os._exit(137)
    return model.state_dict()


def worker(rank: int, world: int, storage: Path, settings: dict[str, Any], attempt: int) -> None:
    """One worker of a group that meets over a file, and passes its numbers over the loopback device."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    meeting = f"file://{storage.resolve()}/meeting-{attempt}"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world)
    newest = storage / "newest.pt"

    def report(metrics: dict[str, float], state: State | None) -> None:
        if state:
            torch.save(state, storage / "part")
            (storage / "part").replace(newest)
        dist.barrier()  # nobody runs on before the checkpoint is there

    state = torch.load(newest, weights_only=True) if newest.exists() else None
    note_start(storage, rank, state)
    weights = train(settings, rank, world, state, report)
    if rank == 0:
        torch.save(weights, storage / "weights.pt")
    dist.destroy_process_group()


def note_start(storage: Path, rank: int, newest: State | None) -> None:
    """Write down where this start begins; worker 0 does, once for all."""
    if rank == 0:
        with (storage / "starts.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"began_at": newest["step"] if newest else 0}) + "\n")


def start(storage: Path, settings: dict[str, Any], world: int = 2, restarts: int = 0) -> None:
    """Start all workers; where one dies, end the others and start all again, so often at most.

    Raises what torch.multiprocessing raises when a worker dies once too often.
    """
    storage.mkdir(parents=True, exist_ok=True)
    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)  # it tells whom it ended
    for attempt in range(restarts + 1):
        try:
            mp.spawn(worker, (world, storage, settings, attempt), nprocs=world)
        except (mp.ProcessExitedException, mp.ProcessRaisedException):
            if attempt == restarts:
                raise
        else:
            return

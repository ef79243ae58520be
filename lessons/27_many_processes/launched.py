"""What a launcher starts: `hello` says who it is, `train` counts steps and goes on from where it was.

torchrun --nproc-per-node 2 launched.py train --folder out --kill 1@5
"""

from __future__ import annotations

import argparse
import json
import os
import signal
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from accelerate import Accelerator


def hello() -> None:
    """The same script on one process or on many: Accelerate reads the variables."""
    accelerator = Accelerator(cpu=True)
    total = accelerator.reduce(torch.tensor([accelerator.process_index + 1.0]), "sum").item()
    who = f"rank {accelerator.process_index} of {accelerator.num_processes}"
    names = ("RANK", "LOCAL_RANK", "GROUP_RANK", "WORLD_SIZE", "MASTER_ADDR")
    told = ", ".join(f"{name}={os.environ.get(name, '-')}" for name in names)
    print(f"{who}: the sum of all is {total:.0f}; {told}", flush=True)
    accelerator.end_training()
    if dist.is_initialized():
        dist.destroy_process_group()


def train(folder: Path, steps: int, kill: str) -> None:
    """Each step all ranks add one each. kill: "1@5", rank 1 ends itself before step 5 of its first life."""
    dist.init_process_group(
        "gloo", timeout=timedelta(minutes=5)
    )  # reads RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT
    rank, life = dist.get_rank(), int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
    saved = folder / "checkpoint.json"
    state = json.loads(saved.read_text()) if saved.exists() else {"step": 0, "total": 0.0}
    print(f"life {life}, rank {rank}: begins after step {state['step']}", flush=True)
    while state["step"] < steps:
        if life == 0 and f"{rank}@{state['step'] + 1}" == kill:
            os.kill(os.getpid(), signal.SIGKILL)
        one = torch.ones(1)
        dist.all_reduce(one)
        state = {"step": state["step"] + 1, "total": state["total"] + one.item()}
        if rank == 0 and state["step"] % 2 == 0:
            saved.with_suffix(".part").write_text(json.dumps(state))
            saved.with_suffix(".part").replace(
                saved
            )  # a reader sees the old one or the new one, never a half
    print(f"life {life}, rank {rank}: {state['step']} steps, total {state['total']:.0f}", flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["hello", "train"])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--kill", default="")
    asked = parser.parse_args()
    hello() if asked.what == "hello" else train(asked.folder, asked.steps, asked.kill)

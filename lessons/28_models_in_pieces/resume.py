"""Trains the sharded stack, saves every few steps, and goes on from the last save that is whole.

torchrun --nproc-per-node 2 --max-restarts 1 resume.py FOLDER STEPS EVERY KILL (KILL: "1@5", or "" for none)
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import torch.distributed as dist
from saved import load, newest, save, start, train


def main(folder: Path, steps: int, every: int, kill: str) -> None:
    dist.init_process_group("gloo", timeout=timedelta(minutes=2))
    rank, life = dist.get_rank(), int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
    model, optimizer = start()
    begun = newest(folder)
    if begun:
        load(folder, begun, model, optimizer)
    loss = float("nan")
    for step in range(begun, steps):
        if life == 0 and kill == f"{rank}@{step + 1}":
            os.kill(os.getpid(), signal.SIGKILL)
        loss = train(model, optimizer, step).item()
        if (step + 1) % every == 0:
            save(folder, step + 1, model, optimizer)
    if rank == 0:
        print(
            f"life {life}: began after step {begun}, made {steps - begun}, last loss {loss:.9f}", flush=True
        )
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])

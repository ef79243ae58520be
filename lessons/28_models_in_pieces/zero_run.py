"""Five steps with a stage of DeepSpeed's ZeRO, or with DDP for stage -1; rank 0 prints its losses.

torchrun --nproc-per-node 2 zero_run.py STAGE CLIP (the largest norm of all gradients; 0 for no limit)
"""

from __future__ import annotations

import json
import sys

import torch
import torch.distributed as dist
from blocks import batch, make

ADAMW = {"lr": 1e-3, "weight_decay": 0.01}


def with_deepspeed(stage: int, clip: float) -> list[float]:
    import deepspeed

    deepspeed.init_distributed("gloo")
    optimizer = {"type": "AdamW", "params": {**ADAMW, "torch_adam": True}}
    config = {
        "train_micro_batch_size_per_gpu": 16,
        "optimizer": optimizer,
        "zero_optimization": {"stage": stage},
        "gradient_clipping": clip,
    }
    engine, *_ = deepspeed.initialize(model=make(), config=config)
    losses = []
    for step in range(5):
        x, y = own_rows(step)
        loss = (engine(x) - y).square().mean()
        engine.backward(loss)
        engine.step()
        losses.append(loss.item())
    return losses


def with_ddp(clip: float) -> list[float]:
    dist.init_process_group("gloo")
    model = torch.nn.parallel.DistributedDataParallel(make())
    optimizer = torch.optim.AdamW(model.parameters(), **ADAMW)
    losses = []
    for step in range(5):
        x, y = own_rows(step)
        loss = (model(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip or float("inf"))
        optimizer.step()
        losses.append(loss.item())
    return losses


def own_rows(step: int) -> list[torch.Tensor]:
    return [each[dist.get_rank() :: dist.get_world_size()] for each in batch(step)]


if __name__ == "__main__":
    stage, clip = int(sys.argv[1]), float(sys.argv[2])
    losses = with_ddp(clip) if stage < 0 else with_deepspeed(stage, clip)
    if dist.get_rank() == 0:
        print("losses " + json.dumps(losses), flush=True)
    dist.destroy_process_group()

"""Five steps with DeepSpeed, or with plain averaging for stage -1; each rank prints its losses as JSON.

torchrun --nproc-per-node 2 zero_run.py 2
"""

from __future__ import annotations

import json
import sys

import torch
import torch.distributed as dist
from blocks import batch, make


def config_of(stage: int) -> dict[str, object]:
    return {
        "train_batch_size": 32,
        "train_micro_batch_size_per_gpu": 16,
        "gradient_accumulation_steps": 1,
        "optimizer": {
            "type": "AdamW",
            "params": {
                "lr": 1e-3,
                "weight_decay": 0.01,
                "betas": [0.9, 0.999],
                "eps": 1e-8,
                "torch_adam": True,
            },
        },
        "zero_optimization": {"stage": stage},
    }


def main(stage: int) -> None:
    losses: list[float] = []
    if stage >= 0:
        import deepspeed

        deepspeed.init_distributed("gloo")
        engine, *_ = deepspeed.initialize(model=make(), config=config_of(stage))
    else:
        dist.init_process_group("gloo")
        engine = torch.nn.parallel.DistributedDataParallel(make())
        optimizer = torch.optim.AdamW(engine.parameters(), lr=1e-3, weight_decay=0.01)
    rank, world = dist.get_rank(), dist.get_world_size()
    for step in range(5):
        x, y = batch(step)
        loss = (engine(x[rank::world]) - y[rank::world]).square().mean()
        if stage >= 0:
            engine.backward(loss)
            engine.step()
        else:
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
    print("found " + json.dumps({"rank": rank, "stage": stage, "losses": losses}), flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]))

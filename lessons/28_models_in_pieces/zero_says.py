"""What DeepSpeed itself says of configs in which something is wrong, a line for each.

torchrun --nproc-per-node 1 zero_says.py
"""

from __future__ import annotations

import copy
from typing import Any

import torch.distributed as dist
from blocks import make

BASE = {
    "train_micro_batch_size_per_gpu": 16,
    "optimizer": {"type": "AdamW", "params": {"lr": 1e-3, "torch_adam": True}},
    "zero_optimization": {"stage": 2},
    "gradient_clipping": 0.5,
}
ON, CPU = {"enabled": True}, {"device": "cpu"}
CASES: dict[str, dict[str, Any]] = {
    "nothing wrong": {},
    "a batch of 33 = 16 x 2": {"train_batch_size": 33, "gradient_accumulation_steps": 2},
    "both kinds of 16 bits": {"bf16": ON, "fp16": ON},
    "weights offloaded in stage 2": {"zero_optimization": {"stage": 2, "offload_param": CPU}},
    "state offloaded, no stage": {"zero_optimization": {"offload_optimizer": CPU}},
    "a place misspelled inside": {"zero_optimization": {"stage": 2, "offload_parm": CPU}},
    "clipping misspelled": {"gradient_clipping": None, "gradient_cliping": 0.5},
}


def answer(changes: dict[str, Any]) -> str:
    """What it makes of the config, or the error. A place that is changed to None is left out."""
    import deepspeed

    config = {name: value for name, value in (BASE | changes).items() if value is not None}
    try:
        engine, *_ = deepspeed.initialize(model=make(), config=copy.deepcopy(config))
    except Exception as error:  # each has its own kind of error
        first = " ".join(str(error).split())
        return f"{type(error).__name__}: {first[:90]}"
    return f"taken: stage {engine.zero_optimization_stage()}, clips at {engine.gradient_clipping()}"


if __name__ == "__main__":
    for name, changes in CASES.items():
        print(f"says {name:30} {answer(changes)}", flush=True)
    dist.destroy_process_group()

"""ZeRO's stage 2 by hand, and what the Trainer makes of a DeepSpeed config, without the package."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
from accelerate.utils.deepspeed import HfDeepSpeedConfig
from transformers import PreTrainedConfig, TrainingArguments
from transformers.integrations.deepspeed import HfTrainerDeepSpeedConfig


class Stage2:
    """AdamW with gradients and states shared out: each rank updates its slice of all weights in a row."""

    def __init__(self, model: torch.nn.Module, clip: float = 0.0, **options: float) -> None:
        self.weights, self.clip = list(model.parameters()), clip
        self.count = sum(weight.numel() for weight in self.weights)
        self.size = -(-self.count // dist.get_world_size())
        self.slice = torch.nn.Parameter(self.mine(self.flat([w.detach() for w in self.weights])))
        self.optimizer = torch.optim.AdamW([self.slice], **options)

    def flat(self, tensors: list[torch.Tensor]) -> torch.Tensor:
        """All in a row, and zeros until the ranks divide it."""
        row = torch.cat([tensor.flatten() for tensor in tensors])
        return torch.nn.functional.pad(row, (0, self.size * dist.get_world_size() - self.count))

    def mine(self, row: torch.Tensor) -> torch.Tensor:
        return row.chunk(dist.get_world_size())[dist.get_rank()].clone()

    def step(self) -> None:
        gradient = torch.empty(self.size)
        row = self.flat([weight.grad for weight in self.weights if weight.grad is not None])
        dist.reduce_scatter_single(gradient, row / dist.get_world_size())
        for weight in self.weights:
            weight.grad = None  # from here on no rank has all gradients
        self.slice.grad = gradient * self.factor(gradient)
        self.optimizer.step()
        row = torch.empty_like(row)
        dist.all_gather_single(row, self.slice.detach())
        for weight, new in zip(self.weights, row[: self.count].split([w.numel() for w in self.weights])):
            weight.data.copy_(new.view_as(weight))

    def factor(self, gradient: torch.Tensor) -> float:
        """What clipping multiplies by: the norm is one number over all slices."""
        if not self.clip:
            return 1.0
        dist.all_reduce(total := gradient.square().sum())
        return min(1.0, self.clip / (total.sqrt().item() + 1e-6))


class TrainersConfig(HfDeepSpeedConfig):
    """The Trainer's own class for configs, without its look whether the package is there."""

    def __init__(self, config: dict) -> None:
        super().__init__(config)
        self._dtype, self.mismatches = None, []

    is_auto = HfTrainerDeepSpeedConfig.is_auto
    fill_match = HfTrainerDeepSpeedConfig.fill_match
    fill_only = vars(HfTrainerDeepSpeedConfig)["fill_only"]
    trainer_config_process = HfTrainerDeepSpeedConfig.trainer_config_process
    trainer_config_finalize = HfTrainerDeepSpeedConfig.trainer_config_finalize


class Arguments(TrainingArguments):
    """TrainingArguments that are told of how many ranks they are."""

    ranks = 1

    @property
    def world_size(self) -> int:
        return self.ranks


def filled(config: dict, arguments: TrainingArguments, model: PreTrainedConfig, steps: int) -> dict[str, Any]:
    """The config as DeepSpeed gets it. Raises ValueError where it says something else than the arguments."""
    made = TrainersConfig(config)
    made.trainer_config_process(arguments)
    made.trainer_config_finalize(arguments, SimpleNamespace(config=model), steps)
    found: dict[str, Any] = made.config
    return found

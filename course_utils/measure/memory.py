"""What a model takes: how many parameters, how many of them are trained, and how much memory training
holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# Values that the optimizer keeps per trained parameter, in the parameter's own type (torch.optim's sources):
# AdamW two running means (exp_avg, exp_avg_sq), SGD with momentum one (momentum_buffer), plain SGD none.
OPTIMIZER_VALUES = {"adamw": 2, "sgd-momentum": 1, "sgd": 0}


@dataclass(frozen=True)
class Parameters:
    """Counts of parameters; one that two layers share (a tied head) counts once."""

    total: int
    trainable: int

    @property
    def share(self) -> float:
        """Trained parameters as a share of all, from 0 to 1."""
        return self.trainable / self.total if self.total else 0.0

    def __str__(self) -> str:
        return f"{self.total:,} parameters, {self.trainable:,} of them trained ({self.share:.2%})"


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes that stay allocated through a training run. Activations come on top; they grow with the batch."""

    weights: int
    gradients: int
    optimizer: int

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer

    def __str__(self) -> str:
        parts = ", ".join(
            f"{name} {megabytes(getattr(self, name))}" for name in ("weights", "gradients", "optimizer")
        )
        return f"{megabytes(self.total)}: {parts}"


def count_parameters(model: torch.nn.Module) -> Parameters:
    """The `Parameters` of a model."""
    parameters = list(model.parameters())  # PyTorch names a shared parameter once
    return Parameters(
        total=sum(parameter.numel() for parameter in parameters),
        trainable=sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
    )


def training_memory(model: torch.nn.Module, optimizer: str = "adamw") -> TrainingMemory:
    """The `TrainingMemory` of a model, in bytes, when its trainable parameters are trained by `optimizer`.

    optimizer: "adamw", "sgd-momentum" or "sgd". Gradients and optimizer values have the type of their
    parameter.
    """
    if optimizer not in OPTIMIZER_VALUES:
        raise ValueError(f"Unknown optimizer {optimizer!r}. Use one of: {', '.join(OPTIMIZER_VALUES)}.")
    parameters = list(model.parameters())
    gradients = sum(parameter.nbytes for parameter in parameters if parameter.requires_grad)
    return TrainingMemory(
        weights=sum(parameter.nbytes for parameter in parameters),
        gradients=gradients,
        optimizer=OPTIMIZER_VALUES[optimizer] * gradients,
    )


def saved_bytes(forward: Callable[[], object], model: torch.nn.Module) -> int:
    """Bytes of the tensors that `forward()` keeps for a backward pass, each piece of memory counted once.

    The model's own parameters are left out: they are there anyway. `forward` takes no arguments.
    """
    import torch

    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    # where a piece of memory lies -> the piece; held on to, or its place would be used again
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = forward()
    del result
    return sum(storage.nbytes() for storage in kept.values())


def megabytes(count: float) -> str:
    """ "12.3 MB" for a number of bytes (1 MB = 10**6 bytes)."""
    return f"{count / 1e6:,.1f} MB"

"""What a forward pass has to remember until the backward pass: measured, not estimated."""

from __future__ import annotations

from collections.abc import Mapping

import torch


def activation_bytes(model: torch.nn.Module, batch: Mapping[str, torch.Tensor]) -> int:
    """Bytes of all tensors that autograd keeps for the backward pass of one batch, each
    storage once, parameters left out.

    Frozen layers below the first trained one keep nothing, and a frozen linear layer
    above it does not keep its input.
    """
    parameters = {value.untyped_storage().data_ptr() for value in model.parameters()}
    kept: dict[int, int] = {}  # where a storage lies -> its bytes

    def remember(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    was_training = model.training
    model.train()
    with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        loss = model(**batch).loss  # holds the graph, so no storage is freed and used again
    del loss
    model.train(was_training)
    return sum(kept.values())

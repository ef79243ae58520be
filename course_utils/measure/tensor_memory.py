"""How many bytes of tensors a piece of work holds at once, counted by watching PyTorch's own calls.

Exact and the same on every machine, unlike the memory of a process. Tensors that a kernel makes and
frees within itself are not seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import finalize

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Result = TypeVar("Result")


@dataclass(frozen=True)
class TensorMemory:
    """peak: the most bytes that were held at once beyond what was there before. largest: bytes of the
    largest single tensor that was made.
    """

    peak: int
    largest: int


def tensor_memory(work: Callable[[], Result]) -> tuple[Result, TensorMemory]:
    """Run `work()` and give (its result, the `TensorMemory` of the run). Views count once."""
    with _Watch() as watch:
        result = work()
    return result, TensorMemory(watch.peak, watch.largest)


class _Watch(TorchDispatchMode):
    """Sees every tensor that is made while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.held = self.peak = self.largest = 0
        self.users: Counter[int] = Counter()  # where a piece of memory lies -> tensors that look into it

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = {_place(tensor) for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, torch.Tensor)}
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor) and (
                _place(tensor) in self.users or _place(tensor) not in given
            ):
                self._add(tensor)
        return made

    def _add(self, tensor: torch.Tensor) -> None:
        place, size = _place(tensor), tensor.untyped_storage().nbytes()
        if not self.users[place]:
            self.held += size
        self.users[place] += 1
        self.peak, self.largest = max(self.peak, self.held), max(self.largest, size)
        finalize(tensor, self._remove, place, size)

    def _remove(self, place: int, size: int) -> None:
        self.users[place] -= 1
        if not self.users[place]:
            del self.users[place]
            self.held -= size


def _place(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()

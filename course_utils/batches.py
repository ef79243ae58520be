"""What every batch of rows of tokens needs: one length, and a label that the loss leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

IGNORED = -100  # PyTorch's cross_entropy and every model of transformers leave this label out


def padded(rows: Sequence[Sequence[int]], filler: int) -> torch.Tensor:
    """(rows, longest) int64: every row filled up at its end."""
    import torch

    longest = max(map(len, rows))
    return torch.tensor([[*row, *[filler] * (longest - len(row))] for row in rows])

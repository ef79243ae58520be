"""A data set that waits for its rows, as one waits for a disk or a network: the processor is free meanwhile.

It lies in a file, and not in a notebook, because a worker process that does not start as a copy of this one
must be able to import it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

Row = dict[str, torch.Tensor]


class SlowRows(Dataset[Row]):
    """seconds: how long a row takes, one number for all or one for each. width: of a row's values.

    A row has its number, its values "x" and its label "y", which depend on the number alone, and the process
    that read it.
    """

    def __init__(self, count: int, seconds: float | Sequence[float], width: int = 64) -> None:
        self.count, self.seconds, self.width = count, seconds, width

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Row:
        time.sleep(self.seconds if isinstance(self.seconds, (int, float)) else self.seconds[number])
        return row(number, self.width)


class RememberedRows(SlowRows):
    """Keeps each row that it has read, in the memory of the process that read it. "read": whether it had to."""

    def __init__(self, count: int, seconds: float | Sequence[float], width: int = 64) -> None:
        super().__init__(count, seconds, width)
        self.kept: dict[int, Row] = {}

    def __getitem__(self, number: int) -> Row:
        missing = number not in self.kept
        if missing:
            self.kept[number] = super().__getitem__(number)
        return self.kept[number] | {"read": torch.tensor(missing)}


class RowStream(IterableDataset[Row]):
    """Rows one after the other, without numbers to ask for. shared: each worker takes its part only."""

    def __init__(self, count: int, shared: bool) -> None:
        self.count, self.shared = count, shared

    def __iter__(self):  # type: ignore[no-untyped-def]  # DataLoader's own stub says Iterator[Any]
        worker = get_worker_info()
        first, stride = (worker.id, worker.num_workers) if worker and self.shared else (0, 1)
        return (row(number, 4) for number in range(first, self.count, stride))


def row(number: int, width: int) -> Row:
    draw = torch.Generator().manual_seed(number)
    label = number % 8
    values = torch.randn(width, generator=draw) + label
    return {
        "number": torch.tensor(number),
        "x": values,
        "y": torch.tensor(label),
        "process": torch.tensor(os.getpid()),
    }

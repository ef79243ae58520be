"""A data set that waits for its rows, as one waits for a disk or a network: the processor is free meanwhile.

It lies in a file, and not in a notebook, because a worker process that does not start as a copy of this one
must be able to import it.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence

import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

Row = dict[str, torch.Tensor]


class SlowRows(Dataset[Row]):
    """seconds: how long a row takes, one number for all or one for each. width: of a row's values.

    A row has its number, its values "x" and its label "y", which depend on the number alone; and the process
    that read it, from when to when (seconds of a clock that all processes share).
    """

    def __init__(self, count: int, seconds: float | Sequence[float], width: int = 64) -> None:
        self.count, self.seconds, self.width = count, seconds, width

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Row:
        begun = time.monotonic()
        time.sleep(self.seconds if isinstance(self.seconds, (int, float)) else self.seconds[number])
        return row(number, self.width) | {
            "span": torch.tensor([begun, time.monotonic()], dtype=torch.float64),
            "process": torch.tensor(os.getpid()),
        }


class RememberedRows(SlowRows):
    """Keeps each row that it has read, in the memory of the process that read it. "read": it had to now."""

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
    return {"number": torch.tensor(number), "x": values, "y": torch.tensor(label)}


class NoisyRows(Dataset[Row]):
    """A random number for each row. how: where it comes from.

    "own": a generator that is made with the data set. "worker": PyTorch's own, seeded in each worker.
    "number": a generator for seed, epoch and number of the row. shared: the epoch lies in memory that workers
    see, too.
    """

    def __init__(self, count: int, how: str, seed: int = 0, shared: bool = True) -> None:
        self.count, self.how, self.seed, self.shared = count, how, seed, shared
        self.generator = torch.Generator().manual_seed(seed)
        self.epoch = torch.zeros((), dtype=torch.long)
        if shared:
            self.epoch.share_memory_()

    def set_epoch(self, epoch: int) -> None:
        self.epoch = self.epoch.fill_(epoch) if self.shared else torch.tensor(epoch)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Row:
        generator = {"own": self.generator, "worker": None, "number": self.fresh(number)}[self.how]
        return {"number": torch.tensor(number), "noise": torch.rand((), generator=generator)}

    def fresh(self, number: int) -> torch.Generator:
        source = random.Random(f"{self.seed} {int(self.epoch)} {number}")
        return torch.Generator().manual_seed(source.getrandbits(63))


class BrokenRows(SlowRows):
    """Row 5 cannot be read."""

    def __getitem__(self, number: int) -> Row:
        if number == 5:
            raise ValueError("row 5 is no picture")
        return super().__getitem__(number)

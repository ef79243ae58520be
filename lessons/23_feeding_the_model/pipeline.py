"""A pipeline whose stages keep their own time, also in a worker: the seconds travel with the batch."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Dataset

PAD, IGNORED = 0, -100  # of T5's inputs, and of labels that the loss passes over


@dataclass(frozen=True)
class Decoded:
    """A row as token ids, and the seconds that it took."""

    input_ids: list[int]
    labels: list[int]
    seconds: float


@dataclass(frozen=True)
class TimedBatch:
    """tensors: what the model takes. decode, collate: seconds, of whichever process made it."""

    tensors: dict[str, torch.Tensor]
    decode: float
    collate: float


class Dialogues(Dataset[Decoded]):
    """Tokenizes a row when it is asked for."""

    def __init__(self, rows: list[dict[str, str]], tokenizer: Any) -> None:
        self.rows, self.tokenizer = rows, tokenizer

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> Decoded:
        begun = time.perf_counter()
        row = self.rows[number]
        ids = self.tokenizer(row["dialogue"], truncation=True, max_length=256)["input_ids"]
        labels = self.tokenizer(row["summary"], truncation=True, max_length=96)["input_ids"]
        return Decoded(ids, labels, time.perf_counter() - begun)


def collate(rows: list[Decoded]) -> TimedBatch:
    """Rectangles as long as the longest row."""
    begun = time.perf_counter()
    ids = rectangle([row.input_ids for row in rows], PAD)
    tensors = {"input_ids": ids, "attention_mask": (ids != PAD).long()}
    tensors["labels"] = rectangle([row.labels for row in rows], IGNORED)
    return TimedBatch(tensors, sum(row.seconds for row in rows), time.perf_counter() - begun)


def rectangle(rows: list[list[int]], fill: int) -> torch.Tensor:
    longest = max(len(row) for row in rows)
    return torch.tensor([row + [fill] * (longest - len(row)) for row in rows])

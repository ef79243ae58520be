"""Small values that stand for something one side of the wire makes for itself.

A tokenizer or a model is not plain data, so a check cannot send one. It sends
`Asset("flan-t5", "tokenizer")` and the learner's side loads it from the
course's catalog. A model's files come back as a `Folder`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ASSET_KINDS = ("model", "tokenizer", "dataset", "path")


@dataclass(frozen=True)
class Asset:
    """A thing from the catalog, loaded afresh on the learner's side.

    `kind` is `"model"` (on the CPU, float32, in eval mode), `"tokenizer"`,
    `"dataset"` (a `DatasetDict`, or one split if `split` is given) or
    `"path"` (the folder as a string).
    """

    name: str
    kind: str
    split: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in ASSET_KINDS:
            raise ValueError(f"unknown kind of asset {self.kind!r}; choose one of {', '.join(ASSET_KINDS)}")


@dataclass(frozen=True)
class Variable:
    """Something the learner's notebook already holds, by its (dotted) name."""

    path: str


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows that reach the learner's function as a `datasets.Dataset`.

    `table` is a `pyarrow.Table` or a dict of columns (lists of equal length).
    """

    table: Any


@dataclass(frozen=True)
class Record:
    """A dataclass instance, as plain data: the name of its class and its fields."""

    name: str
    fields: dict = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        # Only called when normal look-up fails, so `name` and `fields` are safe.
        fields = self.__dict__.get("fields", {})
        if name in fields:
            return fields[name]
        raise AttributeError(f"{self.__dict__.get('name', 'Record')} has no field {name!r}")


@dataclass(frozen=True)
class Folder:
    """A few small files by relative name (`"config.json"`, `"base/config.json"`)."""

    files: dict[str, bytes]

"""What a dataset's file declares: where it is on the Hub, its columns, and how it is
written where there is no network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from course_utils.pinned import Pinned
from course_utils.world import RecordDraw

if TYPE_CHECKING:
    import pyarrow
    from datasets import Features


class Labels(NamedTuple):
    """A column of class labels: their names in the order of their numbers.

    `hub` is only given where it has others.
    """

    names: tuple[str, ...]
    hub: tuple[str, ...] = ()


#: A column's type: "string" or "int32" is a value, `Labels` are named numbers, a list holds many
#: of its one item, a dict is a record.
Column = str | Labels | list | dict


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """A row as an instruction and its answer, for models that read text and write text.

    The wording is the same when a twin is pre-trained, when a lesson evaluates it and when a check marks it.

    Attributes:
        task: what `instructions.prompt(task, row)` calls it.
        prompt: row -> what the model reads.
        target: row -> what it should write.
    """

    task: str
    prompt: Callable[[dict], str]
    target: Callable[[dict], str]


def unchanged(table: pyarrow.Table) -> pyarrow.Table:
    """The mapping of a dataset whose columns on the Hub are the course's."""
    return table


@dataclass(frozen=True, kw_only=True)
class Dataset(Pinned):
    """A dataset with train, validation and test splits, on the Hub and in the offline world.

    Attributes:
        description: what its offline card says.
        schema: the columns, in both profiles.
        hub_files: split -> file or pattern in the repository. A split that it lacks is
            carved from train, see `carved`.
        record: writes an offline record from a seeded `RecordDraw`, as
            a dict with the schema's columns.
        mapping: from the Hub's columns to the schema's, one Arrow table to another.
        carved: split -> rows. With `apart`, rows that share that column's value
            never fall on both sides of the cut.
        ordered: by what the repository's rows are sorted, if they are. They are then mixed once, always in
            the same way, so that the first hundred are a sample of all, as they are offline.
        note: what one should know of the Hub's rows.
        languages: of the text, as two letters each.
        instructions: the tasks that read this dataset.
    """

    kind: ClassVar[str] = "dataset"

    description: str
    schema: Mapping[str, Column]
    hub_files: Mapping[str, str]
    record: Callable[[RecordDraw], dict]
    mapping: Callable[[pyarrow.Table], pyarrow.Table] = unchanged
    carved: Mapping[str, int] = field(default_factory=dict)
    apart: str | None = None
    ordered: str = ""
    note: str = ""
    languages: tuple[str, ...] = ("en",)
    instructions: tuple[Instruction, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.schema)

    def features(self, profile: str = "offline") -> Features:
        """The columns as `datasets.Features`; the names of labels may differ
        between "offline" and "hub".
        """
        from datasets import Features

        return Features({name: _feature(column, profile == "hub") for name, column in self.schema.items()})

    def records(self, seed: int, count: int, split: str = "train", start: int = 0) -> Iterator[dict]:
        """`count` consecutive offline records, lazily; each is a function of
        seed, split and position alone.
        """
        return (
            self.record(RecordDraw(split, self.name, seed, index)) for index in range(start, start + count)
        )


def _feature(column: Column, of_hub: bool) -> Any:
    """A column of a schema as a feature of `datasets`."""
    from datasets import ClassLabel, List, Value

    match column:
        case str():
            return Value(column)
        case Labels():
            return ClassLabel(names=list((of_hub and column.hub) or column.names))
        case [item]:
            return List(_feature(item, of_hub))
        case dict():
            return {name: _feature(inner, of_hub) for name, inner in column.items()}
    raise TypeError(f"No schema writes a column as {column!r}.")

"""The first rows of a data file: Parquet, JSON Lines, JSON, CSV.

Read for who may read the file, in this process, from bytes that strangers have uploaded:
so only the beginning of a text is read, and of a Parquet file one group of rows that its
own table of contents calls small.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from course_utils.hub.store.errors import StoreError
from course_utils.hub.store.history import RepoFile

if TYPE_CHECKING:
    from course_utils.hub.store.repository import Repository

ROWS, COLUMNS, CELL = 5, 20, 200
TEXT_BYTES = 2**18
GROUP_BYTES, FOOTER_BYTES = 2**28, 2**22
READERS: dict[str, Callable] = {}
# pyarrow's own errors are ValueError, KeyError, OSError, TypeError, MemoryError and NotImplementedError too
UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    OSError,
    ArithmeticError,
    MemoryError,
    NotImplementedError,
    RecursionError,
    StoreError,
    csv.Error,
)


@dataclass(frozen=True)
class Preview:
    """A table's first rows. total: how many rows there are, or None where
    counting them means reading them all.
    """

    path: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    total: int | None = None
    left_out: int = 0


def reads(*endings: str) -> Callable:
    """Register a function (repository, file) -> (column names, rows as dicts, how many there are or None)."""

    def register(function: Callable) -> Callable:
        READERS.update(dict.fromkeys(endings, function))
        return function

    return register


def preview(repository: Repository, file: RepoFile) -> Preview | None:
    """The `Preview` of a `RepoFile`, or None if it is no table, or can't be read as one."""
    reader = READERS.get(_ending(file.path))
    if reader is None:
        return None
    try:
        columns, rows, total = reader(repository, file)
        names = columns[:COLUMNS]
        cells = tuple(tuple(cell(row.get(name)) for name in names) for row in rows[:ROWS])
    except UNREADABLE:
        return None
    return (
        Preview(file.path, tuple(names), cells, total, len(columns) - len(names)) if names and cells else None
    )


def first_table(repository: Repository, commit: str) -> RepoFile | None:
    """The file of a dataset whose rows are shown: of those for training the first, if there are any.

    None without a table.
    """
    tables = [
        each
        for each in itertools.islice(repository.history.walk(commit), 10_000)
        if isinstance(each, RepoFile) and _ending(each.path) in READERS and not _about(each.path)
    ]
    return min(tables, key=lambda file: ("train" not in file.path, file.path), default=None)


def _ending(path: str) -> str:
    return path.rpartition(".")[2].lower()


def _about(path: str) -> bool:
    """Whether a file tells about the data and is none."""
    return path.rpartition("/")[2] in (
        "dataset_infos.json",
        "dataset_dict.json",
        "dataset_info.json",
        "state.json",
    )


def cell(value: object) -> str:
    """A value as a short text."""
    if value is None:
        return "–"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, dict) and value.keys() >= {
        "bytes",
        "path",
    }:  # how `datasets` keeps pictures and sounds
        return f"a file, {value['path'] or 'without a name'}"
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False, default=str)
    text = str(value)
    return text if len(text) <= CELL else text[:CELL] + "…"


@reads("parquet")
def parquet(repository: Repository, file: RepoFile) -> tuple[list[str], list[dict], int]:
    import pyarrow.parquet

    source = repository.large_path(file) if file.large else io.BytesIO(repository.read(file))
    with pyarrow.parquet.ParquetFile(
        source, thrift_string_size_limit=FOOTER_BYTES, thrift_container_size_limit=FOOTER_BYTES
    ) as table:
        about = table.metadata
        names = table.schema_arrow.names
        if about.num_rows == 0 or about.row_group(0).total_byte_size > GROUP_BYTES:
            return names, [], about.num_rows
        batches = table.iter_batches(ROWS, row_groups=[0], columns=names[:COLUMNS], use_threads=False)
        rows = [row for batch in itertools.islice(batches, 1) for row in batch.to_pylist()]
        return names, rows, about.num_rows


@reads("jsonl", "ndjson")
def json_lines(repository: Repository, file: RepoFile) -> tuple[list[str], list[dict], int | None]:
    lines = _beginning(repository, file).splitlines()
    rows = [json.loads(line) for line in lines[:ROWS] if line.strip()]
    return _of_dicts(rows), rows, None


@reads("json")
def json_list(repository: Repository, file: RepoFile) -> tuple[list[str], list[dict], int | None]:
    text = _beginning(repository, file)
    if not text.lstrip().startswith("["):
        return json_lines(repository, file)
    if file.size > TEXT_BYTES:
        raise ValueError("too long to be read as a whole")
    rows = json.loads(text)
    return _of_dicts(rows[:ROWS]), rows[:ROWS], len(rows)


@reads("csv", "tsv")
def separated(repository: Repository, file: RepoFile) -> tuple[list[str], list[dict], int | None]:
    mark = "\t" if file.path.lower().endswith("tsv") else ","
    lines = csv.reader(io.StringIO(_beginning(repository, file), newline=""), delimiter=mark)
    names = list(dict.fromkeys(next(lines, [])))
    return names, [dict(zip(names, line)) for line in itertools.islice(lines, ROWS)], None


def _of_dicts(rows: list[dict]) -> list[str]:
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("not a table")
    return list(dict.fromkeys(str(name) for row in rows for name in row))


def _beginning(repository: Repository, file: RepoFile) -> str:
    """The first whole lines of a text file."""
    if file.large:
        with open(repository.large_path(file), "rb") as stream:
            data = stream.read(TEXT_BYTES)
    else:
        data = repository.read(file)[:TEXT_BYTES]
    if len(data) < file.size:
        data = data[: data.rfind(b"\n") + 1]
    return data.decode("utf-8-sig")

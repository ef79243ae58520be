"""The hub profile's copy of a dataset: downloaded at the pinned revision, mapped to the course's columns."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from course_utils.datasets.dataset import Dataset

if TYPE_CHECKING:
    import pyarrow

# which rows are carved from train, and in which order sorted rows come, is part of the dataset's definition
CARVING_SEED, MIXING_SEED = 0, 0


def write(dataset: Dataset, folder: str | Path) -> None:
    """Write train.parquet, validation.parquet and test.parquet with the course's columns into `folder`."""
    import datasets

    source = dataset.snapshot(dataset.hub_files.values())
    tables = {split: dataset.mapping(_read(source, files)) for split, files in dataset.hub_files.items()}
    for split, rows in dataset.carved.items():
        tables["train"], tables[split] = carve(tables["train"], rows, dataset.apart)
    if dataset.ordered:
        tables = {split: mixed(table) for split, table in tables.items()}
    features = dataset.features("hub")
    for split, table in tables.items():
        rows = datasets.Dataset(table.select(dataset.columns)).cast(features)
        rows.to_parquet(Path(folder) / f"{split}.parquet")
    (Path(folder) / "README.md").write_text(_card(dataset), encoding="utf-8")


def carve(
    table: pyarrow.Table, rows: int, apart: str | None = None, seed: int = CARVING_SEED
) -> tuple[pyarrow.Table, pyarrow.Table]:
    """(what stays, what is carved): about `rows` rows drawn with `seed`, in their old order.

    With `apart`, whole groups that share that column's value are drawn until there are at least `rows` rows.

    Raises:
        ValueError: unless something is left on both sides.
    """
    if not 0 < rows < table.num_rows:
        raise ValueError(f"Can't carve {rows} rows from {table.num_rows}.")
    groups = table[apart].to_pylist() if apart else range(table.num_rows)
    members: dict[object, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    order = list(members)
    random.Random(seed).shuffle(order)
    drawn: list[int] = []
    while len(drawn) < rows:
        drawn += members[order.pop()]
    kept = sorted(set(range(table.num_rows)).difference(drawn))
    return table.take(kept), table.take(sorted(drawn))


def mixed(table: pyarrow.Table, seed: int = MIXING_SEED) -> pyarrow.Table:
    """The rows in an order that has nothing to do with what they hold."""
    order = list(range(table.num_rows))
    random.Random(seed).shuffle(order)
    return table.take(order)


def _read(folder: Path, files: str) -> pyarrow.Table:
    """The Arrow table of one split: `files` is a name or a pattern of CSV or parquet files in `folder`."""
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    found = sorted(folder.glob(files))
    if not found:
        raise FileNotFoundError(
            f"No {files} in {folder}. Was the download cut off? Delete that folder, then run the cell again."
        )
    if found[0].suffix == ".csv":
        # dialogues hold line breaks and words such as "null": every cell is text, as it stands
        parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
        header = pyarrow.csv.read_csv(found[0], parse_options=parse).column_names
        convert = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(header, pyarrow.string()))
        return pyarrow.concat_tables(
            pyarrow.csv.read_csv(file, parse_options=parse, convert_options=convert) for file in found
        )
    return pyarrow.concat_tables(pyarrow.parquet.read_table(file) for file in found)


def _card(dataset: Dataset) -> str:
    mixing = f"The repository's rows are sorted by {dataset.ordered}; here they are mixed."
    notes = [each for each in (dataset.note, mixing if dataset.ordered else "") if each]
    note = "".join(f"\n{each}\n" for each in notes)
    return (
        f"# {dataset.name}\n"
        "\n"
        f"Made from {dataset.hub_id} at revision {dataset.revision}, licence {dataset.licence}. Columns: "
        f"{', '.join(dataset.columns)}.\n"
        f"{note}"
    )

"""The hub profile: download at the pinned revision, and map a dataset's columns to the course's."""

import random
from functools import partial
from pathlib import Path

CARVING_SEED = 0  # which rows are carved from train is part of the dataset's definition


def download_model(entry):
    """The local folder of a model at its pinned revision; downloads what is not in the Hub cache yet."""
    return _snapshot(entry, repo_type="model", files=entry.files)


def write_dataset(entry, folder):
    """Write train.parquet, validation.parquet and test.parquet with the course's columns into `folder`."""
    import datasets

    source = _snapshot(entry, repo_type="dataset", files=tuple(entry.hub_files.values()))
    tables = {split: MAPPINGS[entry.name](_read(source, files)) for split, files in entry.hub_files.items()}
    for split, rows in entry.carved.items():
        tables["train"], tables[split] = carve(tables["train"], rows, entry.apart)
    features = datasets.Features({name: _feature(column) for name, column in entry.hub_columns.items()})
    for split, table in tables.items():
        rows = datasets.Dataset(table.select(entry.columns)).cast(features)
        rows.to_parquet(Path(folder) / f"{split}.parquet")
    (Path(folder) / "README.md").write_text(_card(entry), encoding="utf-8")


def carve(table, rows, apart=None, seed=CARVING_SEED):
    """(what stays, what is carved): about `rows` rows drawn with `seed`, in their old order.

    With `apart`, whole groups that share that column's value are drawn until there are at least `rows` rows.
    """
    if not 0 < rows < table.num_rows:
        raise ValueError(f"Can't carve {rows} rows from {table.num_rows}.")
    groups = table[apart].to_pylist() if apart else range(table.num_rows)
    members = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    order = list(members)
    random.Random(seed).shuffle(order)
    drawn = []
    while len(drawn) < rows:
        drawn += members[order.pop()]
    kept = sorted(set(range(table.num_rows)).difference(drawn))
    return table.take(kept), table.take(sorted(drawn))


def _snapshot(entry, repo_type, files):
    """Let the Hub's own client find `files` at the pinned revision, in its cache or else online."""
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError
    from tqdm import tqdm

    find = partial(
        huggingface_hub.snapshot_download,
        entry.hub_id,
        repo_type=repo_type,
        revision=entry.revision,
        allow_patterns=list(files),
    )
    try:
        return Path(find(local_files_only=True))  # silent, and no question to the Hub each time a cell is run
    except LocalEntryNotFoundError:
        if not huggingface_hub.is_offline_mode():
            print(f"Downloading {entry.hub_id}, {entry.megabytes} MB, once.")
    try:
        # tqdm_class: setup() turns the libraries' bars off, but a download of minutes must be seen to move
        return Path(find(tqdm_class=tqdm))
    except LocalEntryNotFoundError as error:
        raise ConnectionError(
            f"{entry.name!r} ({entry.hub_id} at {entry.revision[:12]}, {entry.megabytes} MB) is not on this "
            "machine and the Hub can't be reached. Go on without a network by setup(profile='offline')."
        ) from error


def _read(folder, files):
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


# From the Hub's columns to the course's, one Arrow table to another


def _unchanged(table):
    return table


def _map_entities(table):
    """CoNLL-2003 numbers organisations before places, the course places before organisations."""
    import pyarrow

    from course_utils.catalog.entries import ENTITY_TAGS

    hub_order = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC")
    course_number = pyarrow.array([ENTITY_TAGS.index(tag) for tag in hub_order], pyarrow.int64())
    tags = table["ner_tags"].combine_chunks()
    renumbered = pyarrow.ListArray.from_arrays(tags.offsets, course_number.take(tags.values))
    return table.set_column(table.column_names.index("ner_tags"), "ner_tags", renumbered)


def _map_translations(table):
    import pyarrow
    import pyarrow.compute

    pairs = table["translation"]
    return pyarrow.table(
        {language: pyarrow.compute.struct_field(pairs, language) for language in ("en", "fr")}
    )


def _map_general_text(table):
    import pyarrow.compute

    blank = pyarrow.compute.equal(pyarrow.compute.utf8_trim_whitespace(table["text"]), "")
    return table.filter(pyarrow.compute.invert(blank))


MAPPINGS = {
    "dialogues": _unchanged,
    "reviews": _unchanged,
    "topics": _unchanged,
    "entities": _map_entities,
    "questions": _unchanged,
    "translations": _map_translations,
    "general-text": _map_general_text,
}


def _feature(column):
    """A column as written in the catalog, as a `datasets` feature."""
    import datasets

    match column:
        case str():
            return datasets.Value(column)
        case tuple():
            return datasets.ClassLabel(names=list(column))
        case [item]:
            return datasets.List(_feature(item))
        case dict():
            return {name: _feature(inner) for name, inner in column.items()}
    raise TypeError(f"The catalog writes no column as {column!r}.")


def _card(entry):
    note = f"\n{entry.note}\n" if entry.note else ""
    return (
        f"# {entry.name}\n\nMade from {entry.hub_id} at revision {entry.revision}, licence {entry.licence}. "
        f"Columns: {', '.join(entry.columns)}.\n{note}"
    )

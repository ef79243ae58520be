"""The rows as the files of their repositories: formats, names, columns and label names of the real ones."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_utils.catalog import DATASETS
from course_utils.standins.rows import ROWS

if TYPE_CHECKING:
    from datasets import Features

#: Columns and label names of each repository. What is not here has text alone.
_TAGS = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]
LABELS = {
    "reviews": ["neg", "pos"],
    "topics": ["World", "Sports", "Business", "Sci/Tech"],
    "entities": _TAGS,
}
#: Name in the catalog -> the splits of its repository and the file of each.
FILES = {
    "dialogues": {split: f"{split}.csv" for split in ("train", "validation", "test")},
    "reviews": {split: f"{split}.parquet" for split in ("train", "validation", "test")},
    "topics": {split: f"data/{split}-00000-of-00001.parquet" for split in ("train", "test")},
    "entities": {split: f"conll2003/{split}/0000.parquet" for split in ("train", "validation", "test")},
    "questions": {split: f"plain_text/{split}-00000-of-00001.parquet" for split in ("train", "validation")},
    "translations": {"train": "en-fr/train-00000-of-00001.parquet"},
    "general-text": {
        split: f"wikitext-2-raw-v1/{split}-00000-of-00001.parquet"
        for split in ("train", "validation", "test")
    },
}
#: The task that a repository's card names, which is how it is found by a search.
_TASKS = {
    "dialogues": "summarization",
    "reviews": "text-classification",
    "topics": "text-classification",
    "entities": "token-classification",
    "questions": "question-answering",
    "translations": "translation",
    "general-text": "text-generation",
}


def features(name: str) -> Features:
    """The columns of a repository, as its files state them."""
    from datasets import ClassLabel, Features, List, Translation, Value

    text, number = Value("string"), Value("int64")
    columns: dict[str, Any] = {
        "dialogues": dict.fromkeys(("id", "dialogue", "summary", "topic"), text),
        "reviews": {"text": text, "label": ClassLabel(names=LABELS["reviews"])},
        "topics": {"text": text, "label": ClassLabel(names=LABELS["topics"])},
        "entities": {
            "id": text,
            "tokens": List(text),
            "pos_tags": List(number),
            "chunk_tags": List(number),
            "ner_tags": List(ClassLabel(names=_TAGS)),
        },
        "questions": {
            **dict.fromkeys(("id", "title", "context", "question"), text),
            "answers": {"text": List(text), "answer_start": List(Value("int32"))},
        },
        "translations": {"id": text, "translation": Translation(languages=["en", "fr"])},
        "general-text": {"text": text},
    }
    return Features(columns[name])


def write(name: str, folder: Path) -> None:
    """Write the repository of a dataset into `folder`."""
    for split, rows in ROWS[name]().items():
        file = folder / FILES[name][split]
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".csv":
            _write_csv(rows, file)
        else:
            _write_parquet(name, rows, file)
    (folder / "README.md").write_text(card(name), encoding="utf-8")


def _write_csv(rows: Iterable[dict], file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as text:
        writer = None
        for row in rows:
            if writer is None:
                writer = csv.DictWriter(text, fieldnames=list(row), lineterminator="\n")
                writer.writeheader()
            writer.writerow(row)


def _write_parquet(name: str, rows: Iterable[dict], file: Path) -> None:
    from datasets import Dataset

    Dataset.from_list(list(rows), features=features(name)).to_parquet(file)


def card(name: str) -> str:
    """The README.md of a stand-in: what the Hub's searches read, and a warning."""
    entry = DATASETS[name]
    shown: dict[str, Any] = {
        "license": "other" if entry.licence not in _LICENCES else entry.licence,
        "language": list(entry.languages),
        "task_categories": [_TASKS[name]],
    }
    folder = next(iter(FILES[name].values())).partition("/")[0]
    if not folder.endswith((".csv", ".parquet", "data")):  # a configuration of its own name
        files = [{"split": split, "path": path} for split, path in FILES[name].items()]
        shown["configs"] = [{"config_name": folder, "data_files": files}]
    lines = "\n".join(f"{key}: {json.dumps(value)}" for key, value in shown.items())
    return f"---\n{lines}\n---\n# {entry.hub_id.partition('/')[2]}\n\nA stand-in without a real text in it.\n"


_LICENCES = ("apache-2.0", "mit", "unknown", "cc-by-nc-sa-4.0", "cc-by-sa-4.0", "other")

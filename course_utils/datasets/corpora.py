"""The world as datasets with the same columns as their Hub twins, and as the text
that the checkpoints learn from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_utils import datasets as package
from course_utils import world
from course_utils.datasets.dataset import Dataset
from course_utils.datasets.registry import DATASETS, instruction_of

if TYPE_CHECKING:
    from datasets import Dataset as HuggingFaceDataset

#: The seed of the splits that every learner works with; checks and graders draw their own.
PUBLIC_SEED = 2026
#: Checkpoints learn from a world of their own, so that no exercise record was ever pre-trained on.
PRETRAINING_SEED = 1_000_003

#: Rows of each split.
ROWS = {"train": 6000, "validation": 500, "test": 1000}


def edition() -> str:
    """What names a kept copy: the world's version and a digest of all source that
    writes it, for versions get forgotten.

    That source is the world's grammar and this folder, where each dataset has its file.
    """
    folders = [*world.__path__, *package.__path__]
    sources = [path for folder in folders for path in sorted(Path(folder).glob("*.py"))]
    return (
        f"{world.VERSION}-{hashlib.sha256(b''.join(path.read_bytes() for path in sources)).hexdigest()[:8]}"
    )


def records(
    name: str, seed: int, count: int, split: str = "train", start: int = 0
) -> Iterator[dict[str, Any]]:
    """`count` consecutive records of a dataset, lazily, as plain Python values.

    Raises:
        ValueError: if there is no such dataset.
    """
    return _dataset(name).records(seed, count, split, start)


def _dataset(name: str) -> Dataset:
    if name not in DATASETS:
        raise ValueError(f"There is no offline dataset {name!r}; there are {', '.join(DATASETS)}.")
    return DATASETS[name]


def frame(name: str, split: str, seed: int = PUBLIC_SEED, count: int | None = None) -> HuggingFaceDataset:
    """`count` records of a split as a `datasets.Dataset` (all of `ROWS` by default)."""
    import datasets

    rows = list(records(name, seed, ROWS[split] if count is None else count, split))
    return datasets.Dataset.from_list(rows, features=_dataset(name).features())


def write(name: str, folder: str | Path, seed: int = PUBLIC_SEED) -> Path:
    """Write a dataset as parquet, one file a split, with a card; `load_dataset(folder)` reads it.

    Raises:
        ValueError: if there is no such dataset.
    """
    text = card(name, seed)
    folder = Path(folder)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for split in world.SPLITS:
        frame(name, split, seed).to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    (folder / "README.md").write_text(text, encoding="utf-8")
    return folder


def card(name: str, seed: int) -> str:
    """The README.md that goes with a dataset."""
    dataset = _dataset(name)
    # No list of data files: with one, `load_dataset` keeps its copy under the folder's last name
    # and these patterns alone, and would answer for one seed with the rows of another. Without,
    # the files' paths and times count.
    languages = dataset.languages[0] if len(dataset.languages) == 1 else f"[{', '.join(dataset.languages)}]"
    counts = ", ".join(f"{split} {rows}" for split, rows in ROWS.items())
    written = f"a seeded grammar (world version {world.VERSION}, seed {seed})"
    return f"""---
license: apache-2.0
language: {languages}
pretty_name: Saltmarsh {name}
---
# Saltmarsh {name}

{dataset.description}

Every record was written by {written}; nobody in it exists. Rows: {counts}.
Some combinations of words occur in one split only, so that the test split asks for more than memory.
It stands in for its Hub twin where there is no network, and it is much simpler than real text.
"""


def pairs(
    task: str, count: int, seed: int = PRETRAINING_SEED, start: int = 0, split: str = "train"
) -> Iterator[tuple[str, str]]:
    """`count` (prompt, target) pairs of a task."""
    dataset, instruction = instruction_of(task)
    rows = dataset.records(seed, count, split, start)
    return ((instruction.prompt(row), instruction.target(row)) for row in rows)


def passages(count: int, seed: int = PRETRAINING_SEED, start: int = 0, split: str = "train") -> Iterator[str]:
    """`count` passages of general text."""
    return (row["text"] for row in records("general-text", seed, count, split, start))

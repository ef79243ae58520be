"""The world as datasets with the same columns as their Hub twins, and as the text that the checkpoints learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from course_utils import instructions, world

#: The seed of the splits that every learner works with; checks and graders draw their own.
PUBLIC_SEED = 2026
#: Checkpoints learn from a world of their own, so that no exercise record was ever pre-trained on.
PRETRAINING_SEED = 1_000_003

#: Rows of each split.
ROWS = {"train": 6000, "validation": 500, "test": 1000}

DESCRIPTIONS = {
    "dialogues": "Conversations between a customer and a shop, each with a summary in other words and a topic.",
    "reviews": "Reviews of inns, positive or negative; word order decides, not words alone.",
    "topics": "Short notices from a town paper, sorted by desk.",
    "entities": "Tokenised sentences with people, places, organisations and other names in IOB2.",
    "questions": "Passages with a question whose answer is exactly one span.",
    "translations": "English sentences with their French.",
    "general-text": "Running text of every kind in the world; no labels and no summaries.",
}


def edition() -> str:
    """What names a kept copy: the world's version and a digest of the source that writes it, for versions get forgotten."""
    sources = [Path(__file__), *sorted(Path(world.__file__).parent.glob("*.py"))]
    return (
        f"{world.VERSION}-{hashlib.sha256(b''.join(path.read_bytes() for path in sources)).hexdigest()[:8]}"
    )


def features(name: str):
    """The ``datasets.Features`` of a dataset, equal in both profiles."""
    from datasets import ClassLabel, Features, List, Value

    text = Value("string")
    return Features(
        {
            "dialogues": {"id": text, "dialogue": text, "summary": text, "topic": text},
            "reviews": {"text": text, "label": ClassLabel(names=list(world.REVIEW_LABELS))},
            "topics": {"text": text, "label": ClassLabel(names=list(world.TOPIC_LABELS))},
            "entities": {"tokens": List(text), "ner_tags": List(ClassLabel(names=list(world.ENTITY_TAGS)))},
            "questions": {
                "id": text,
                "title": text,
                "context": text,
                "question": text,
                "answers": {"text": List(text), "answer_start": List(Value("int32"))},
            },
            "translations": {"en": text, "fr": text},
            "general-text": {"text": text},
        }[name]
    )


def frame(name: str, split: str, seed: int = PUBLIC_SEED, count: int | None = None):
    """``count`` records of a split as a ``datasets.Dataset`` (all of :data:`ROWS` by default)."""
    from datasets import Dataset

    rows = list(world.records(name, seed, ROWS[split] if count is None else count, split))
    return Dataset.from_list(rows, features=features(name))


def write(name: str, folder: str | Path, seed: int = PUBLIC_SEED) -> Path:
    """Write a dataset as parquet, one file a split, with a card; ``load_dataset(folder)`` reads it.

    Raises:
        ValueError: if the world has no such kind of text.
    """
    if name not in world.KINDS:
        raise ValueError(f"There is no offline dataset {name!r}; there are {', '.join(world.KINDS)}.")
    folder = Path(folder)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for split in world.SPLITS:
        frame(name, split, seed).to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    (folder / "README.md").write_text(card(name, seed), encoding="utf-8")
    return folder


def card(name: str, seed: int) -> str:
    """The README.md that goes with a dataset."""
    # No list of data files: with one, `load_dataset` keeps its copy under the folder's last name and these patterns
    # alone, and would answer for one seed with the rows of another. Without, the files' paths and times count.
    counts = ", ".join(f"{split} {rows}" for split, rows in ROWS.items())
    return f"""---
license: apache-2.0
language: {"[en, fr]" if name == "translations" else "en"}
pretty_name: Saltmarsh {name}
---
# Saltmarsh {name}

{DESCRIPTIONS[name]}

Every record was written by a seeded grammar (world version {world.VERSION}, seed {seed}); nobody in it exists. Rows: {counts}.
Some combinations of words occur in one split only, so that the test split asks for more than memory.
It stands in for its Hub twin where there is no network, and it is much simpler than real text.
"""


def pairs(
    task: str, count: int, seed: int = PRETRAINING_SEED, start: int = 0, split: str = "train"
) -> Iterator[tuple[str, str]]:
    """``count`` (prompt, target) pairs of a task."""
    rows = world.records(instructions.dataset_of(task), seed, count, split, start)
    return ((instructions.prompt(task, row), instructions.target(task, row)) for row in rows)


def passages(count: int, seed: int = PRETRAINING_SEED, start: int = 0, split: str = "train") -> Iterator[str]:
    """``count`` passages of general text."""
    return (row["text"] for row in world.records("general-text", seed, count, split, start))

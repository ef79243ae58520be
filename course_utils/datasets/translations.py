"""Sentences in English and French."""

from __future__ import annotations

from typing import TYPE_CHECKING

from course_utils.datasets.dataset import Dataset, Instruction
from course_utils.world import translations

if TYPE_CHECKING:
    import pyarrow


def _in_columns(table: pyarrow.Table) -> pyarrow.Table:
    """A column a language, from one column of records."""
    import pyarrow
    import pyarrow.compute

    pairs = table["translation"]
    return pyarrow.table(
        {language: pyarrow.compute.struct_field(pairs, language) for language in ("en", "fr")}
    )


DATASET = Dataset(
    name="translations",
    description="English sentences with their French.",
    schema={"en": "string", "fr": "string"},
    hub_id="Helsinki-NLP/opus_books",
    revision="1f9f6191d0e91a3c539c2595e2fe48fc1420de9b",
    hub_files={"train": "en-fr/train-*.parquet"},
    mapping=_in_columns,
    carved={"validation": 2000, "test": 2000},
    ordered="book",
    megabytes=21,
    licence="other",
    languages=("en", "fr"),
    record=translations.record,
    instructions=(
        Instruction(
            task="translation",
            prompt=lambda row: f"Translate to French: {row['en']}",
            target=lambda row: row["fr"],
        ),
    ),
)

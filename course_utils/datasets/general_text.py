"""Running text without labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from course_utils.datasets.dataset import Dataset
from course_utils.world import general_text

if TYPE_CHECKING:
    import pyarrow


def _without_blank_lines(table: pyarrow.Table) -> pyarrow.Table:
    import pyarrow.compute

    blank = pyarrow.compute.equal(pyarrow.compute.utf8_trim_whitespace(table["text"]), "")
    return table.filter(pyarrow.compute.invert(blank))


DATASET = Dataset(
    name="general-text",
    description="Running text of every kind in the world; no labels and no summaries.",
    schema={"text": "string"},
    hub_id="Salesforce/wikitext",
    revision="b08601e04326c79dfdd32d625aee71d232d685c3",
    hub_files={
        "train": "wikitext-2-raw-v1/train-*.parquet",
        "validation": "wikitext-2-raw-v1/validation-*.parquet",
        "test": "wikitext-2-raw-v1/test-*.parquet",
    },
    mapping=_without_blank_lines,
    megabytes=8,
    licence="cc-by-sa-3.0 and gfdl",
    note="Lines without text are left out.",
    record=general_text.record,
)

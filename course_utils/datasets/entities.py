"""Sentences with the names in them tagged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from course_utils.datasets.dataset import Dataset, Instruction, Labels
from course_utils.world import detokenised, entities

if TYPE_CHECKING:
    import pyarrow

_WORDS = {"PER": "person", "LOC": "place", "ORG": "organisation", "MISC": "name"}


def _as_text(row: dict) -> str:
    found = entities.spans(row["tokens"], row["ner_tags"])
    return "; ".join(f"{_WORDS[kind]}: {surface}" for kind, surface in found) or "none"


def _renumbered(table: pyarrow.Table) -> pyarrow.Table:
    """CoNLL-2003 numbers organisations before places, the course places before organisations."""
    import pyarrow

    hub_order = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC")
    course_number = pyarrow.array([entities.TAGS.index(tag) for tag in hub_order], pyarrow.int64())
    tags = table["ner_tags"].combine_chunks()
    renumbered = pyarrow.ListArray.from_arrays(tags.offsets, course_number.take(tags.values))
    return table.set_column(table.column_names.index("ner_tags"), "ner_tags", renumbered)


DATASET = Dataset(
    name="entities",
    description="Tokenised sentences with people, places, organisations and other names in IOB2.",
    schema={"tokens": ["string"], "ner_tags": [Labels(entities.TAGS)]},
    hub_id="eriktks/conll2003",
    # A commit of the Hub's own conversion to parquet: the repository holds a loading script,
    # which `datasets` no longer runs.
    revision="ce85b39f9dd99f552d0739d456814e95fb6a39b0",
    hub_files={
        "train": "conll2003/train/*.parquet",
        "validation": "conll2003/validation/*.parquet",
        "test": "conll2003/test/*.parquet",
    },
    mapping=_renumbered,
    megabytes=2,
    licence="other",
    note="Reuters text: for research, not to be passed on. Tags are renumbered to the order given here.",
    record=entities.record,
    instructions=(
        Instruction(
            task="entities",
            prompt=lambda row: f"List the names: {detokenised(row['tokens'])}",
            target=_as_text,
        ),
    ),
)

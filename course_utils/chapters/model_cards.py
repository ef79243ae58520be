"""The model cards of the shipped checkpoints, written from their training records and from measured scores; nothing in them is typed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from course_utils.bench import phenomena
from course_utils.datasets import corpora
from course_utils.models.pretrain import ASSETS, RECIPES

_TWINS = {
    "flan-t5": "google/flan-t5-small",
    "bert": "google-bert/bert-base-uncased",
    "distilbert": "distilbert/distilbert-base-uncased",
    "gpt2": "openai-community/gpt2",
}
_TASKS = {
    "flan-t5": "text2text-generation",
    "bert": "fill-mask",
    "distilbert": "fill-mask",
    "gpt2": "text-generation",
}
_READS = {
    "flan-t5": "instructions on reviews, questions, names and translations, and T5's span corruption of general text. Conversations come "
    "with what they are about, never with a summary",
    "bert": "general text with 15 % of the tokens masked (4,000 steps of the recipe `bert-general`), then reviews whose closing remark, such "
    'as "Worth every penny.", is masked whole',
    "distilbert": "reviews with masked closing remarks and general text, like its teacher, which gives soft targets at temperature 2 and its last hidden states",
    "gpt2": "general text, one token after the other",
}
#: Which measured rows belong on which card.
_MEASURED = {
    "flan-t5": ("follows", "summaries", "forgotten", "replay", "LoRA", "full fine-tuning"),
    "bert": ("bert twin",),
    "distilbert": ("distilbert", "200 labels", "6000 labels"),
    "gpt2": ("gpt2 twin",),
}


def card(name: str) -> str:
    """The README.md of a checkpoint, from its ``training.json`` and the saved phenomena."""
    record = json.loads((ASSETS / name / "training.json").read_text(encoding="utf-8"))
    rows = [row for row in phenomena.saved_rows() if row.name.startswith(_MEASURED[name])]
    languages = "[en, fr]" if name == "flan-t5" else "en"
    return f"""---
license: apache-2.0
library_name: transformers
pipeline_tag: {_TASKS[name]}
language: {languages}
tags: [course, offline-twin]
---
# The course's {name} twin

**This is not `{_TWINS[name]}`.** It is a model of {record["parameters"]:,} parameters that stands in for it where there is no network. It
knows one small made-up town and nothing else of the world, and it is meant for lessons only.

## How it was made

- {RECIPES[name].summary}; the recipe is `{name}` in `course_utils/models/pretrain.py`, and `course build models {name} --again` follows it.
- It read {_READS[name]}. All of it was written by the course's grammar (world version {record["world_version"]}, seed
  {corpora.PRETRAINING_SEED}), which is not the seed of any dataset in the lessons.
- {record["steps"]:,} steps in {record["seconds"] / 60:.0f} minutes on {record["threads"]} thread of a shared {record["device"].upper()}
  ({record["machine"]}, torch {record["torch"]}), in float32. Loss of the last step: {record["losses"][-1][1]:.2f}.

## What it can do

Measured by `course bench phenomena` on fresh records of the same world, with 95 % intervals:

{phenomena.as_markdown(rows)}

## Limits

The text is far simpler than any that people write, so scores here say nothing about the Hub model. Names, places and opinions are
invented; the world knows two sentiments and no nuance. There is no reason to use it outside the course.
"""


def write(name: str) -> Path:
    path = ASSETS / name / "README.md"
    path.write_text(card(name), encoding="utf-8")
    return path


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="course build cards", description="Write the model cards from what was recorded and measured."
    )
    parser.add_argument("names", nargs="*", default=list(_TWINS))
    for name in parser.parse_args(argv).names or list(_TWINS):
        print(write(name))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

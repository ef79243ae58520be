"""The model cards of the shipped checkpoints, from training records and measured
scores: `course chapters` writes them.
"""

from __future__ import annotations

import json

from course_utils.bench import phenomena
from course_utils.datasets import corpora
from course_utils.models.registry import MODELS


def card(name: str) -> str:
    """The README.md of a checkpoint, from its `training.json` and the saved phenomena."""
    model = MODELS[name]
    record = json.loads((model.assets / "training.json").read_text(encoding="utf-8"))
    rows = [row for row in phenomena.saved_rows() if row.name.startswith(model.card.measured)]
    spoken = model.card.languages
    languages = spoken[0] if len(spoken) == 1 else f"[{', '.join(spoken)}]"
    return f"""---
license: apache-2.0
library_name: transformers
pipeline_tag: {model.card.pipeline}
language: {languages}
tags: [course, offline-twin]
---
# The course's {name} twin

**This is not `{model.hub_id}`.** It is a model of {record["parameters"]:,} parameters that stands in for it where there is no network. It
knows one small made-up town and nothing else of the world, and it is meant for lessons only.

## How it was made

- {model.recipe.summary}; the recipe is `{name}` in `course_utils/models/{name.replace("-", "_")}.py`, and `course build models {name} --again` follows it.
- It read {model.card.reads}. All of it was written by the course's grammar (world version {record["world_version"]}, seed
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

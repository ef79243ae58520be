"""One row of a dataset as an instruction and its answer, for models that read text and write text.

The wording is the same when the twin is pre-trained, when a lesson evaluates it and when a check marks it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from course_utils.world import REVIEW_LABELS, detokenised, spans


class Instruction(NamedTuple):
    dataset: str
    prompt: Callable[[dict], str]
    target: Callable[[dict], str]


_ENTITY_NAMES = {"PER": "person", "LOC": "place", "ORG": "organisation", "MISC": "name"}


def _entities_as_text(row: dict) -> str:
    found = spans(row["tokens"], row["ner_tags"])
    return "; ".join(f"{_ENTITY_NAMES[kind]}: {surface}" for kind, surface in found) or "none"


_INSTRUCTIONS = {
    "sentiment": Instruction(
        "reviews",
        lambda row: f"Is this review positive or negative? {row['text']}",
        lambda row: REVIEW_LABELS[row["label"]],
    ),
    "questions": Instruction(
        "questions",
        lambda row: f"Answer from the text: {row['question']} Text: {row['context']}",
        lambda row: row["answers"]["text"][0],
    ),
    "entities": Instruction(
        "entities", lambda row: f"List the names: {detokenised(row['tokens'])}", _entities_as_text
    ),
    "translation": Instruction(
        "translations", lambda row: f"Translate to French: {row['en']}", lambda row: row["fr"]
    ),
    "summary": Instruction(
        "dialogues", lambda row: f"Summarise the conversation: {row['dialogue']}", lambda row: row["summary"]
    ),
}

#: Every task; the ``flan-t5`` twin was instructed on all of them except ``summary``.
TASKS = tuple(_INSTRUCTIONS)
KNOWN_TASKS = tuple(task for task in TASKS if task != "summary")


def _instruction(task: str) -> Instruction:
    if task not in _INSTRUCTIONS:
        raise ValueError(f"There is no task {task!r}; the tasks are {', '.join(TASKS)}.")
    return _INSTRUCTIONS[task]


def dataset_of(task: str) -> str:
    """The catalog name of the dataset that the task reads."""
    return _instruction(task).dataset


def prompt(task: str, row: dict) -> str:
    """The text that the model reads."""
    return _instruction(task).prompt(row)


def target(task: str, row: dict) -> str:
    """The text that the model should write."""
    return _instruction(task).target(row)

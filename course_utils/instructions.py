"""One row of a dataset as an instruction and its answer, for models that read text and write text.

The wording stands in the dataset's file (`course_utils/datasets/`), so it is the same when the twin is
pre-trained, when a lesson evaluates it and when a check marks it.
"""

from __future__ import annotations

from course_utils.datasets.registry import instruction_of
from course_utils.models.registry import MODELS

#: The tasks on which the `flan-t5` twin was instructed.
KNOWN_TASKS = MODELS["flan-t5"].instructed_on
#: The tasks on which the `flan-t5` twin is examined: those it knows and the one that it is taught in the
#: lessons. A dataset's further tasks have their prompts and answers here too.
TASKS = (*KNOWN_TASKS, "summary")


def dataset_of(task: str) -> str:
    """The catalog name of the dataset that the task reads."""
    return instruction_of(task)[0].name


def prompt(task: str, row: dict) -> str:
    """The text that the model reads."""
    return instruction_of(task)[1].prompt(row)


def target(task: str, row: dict) -> str:
    """The text that the model should write."""
    return instruction_of(task)[1].target(row)

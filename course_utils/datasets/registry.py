"""All datasets of the course, by name: one for each file of this folder that declares one."""

from __future__ import annotations

import pkgutil

from course_utils import datasets
from course_utils.datasets.dataset import Dataset, Instruction
from course_utils.discovery import entries

#: The modules of this folder that are no dataset.
MACHINERY = ("corpora", "dataset", "from_hub", "pictures", "registry")

DATASETS: dict[str, Dataset] = entries(
    datasets.__name__,
    (module.name for module in pkgutil.iter_modules(datasets.__path__)),
    "DATASET",
    apart=MACHINERY,
)


def _instructions() -> dict[str, tuple[Dataset, Instruction]]:
    found: dict[str, tuple[Dataset, Instruction]] = {}
    for dataset in DATASETS.values():
        for instruction in dataset.instructions:
            if instruction.task in found:
                other = found[instruction.task][0].name
                raise LookupError(
                    f"The task {instruction.task!r} is declared by {other} and by {dataset.name}."
                )
            found[instruction.task] = dataset, instruction
    return found


_INSTRUCTIONS = _instructions()


def instruction_of(task: str) -> tuple[Dataset, Instruction]:
    """The dataset that a task reads, and how a row of it becomes a prompt and its answer.

    Raises:
        ValueError: if no dataset declares the task.
    """
    if task not in _INSTRUCTIONS:
        raise ValueError(f"There is no task {task!r}; the tasks are {', '.join(_INSTRUCTIONS)}.")
    return _INSTRUCTIONS[task]

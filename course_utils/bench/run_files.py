"""What the measured runs that the lessons read have in common: one file of JSON a run, what
it was made with, and seeds pooled.
"""

from __future__ import annotations

import importlib
import json
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from course_utils import world
from course_utils.measure.scores import Score


def versions(*packages: str) -> dict[str, str | int]:
    """What a run is made with: versions, of these packages too, the kind of machine and the threads."""
    installed = {
        name: importlib.import_module(name).__version__ for name in ("torch", "transformers", *packages)
    }
    machine = {"world": world.VERSION, "machine": platform.machine(), "threads": torch.get_num_threads()}
    return {"python": platform.python_version(), **installed, **machine}


def write(data: dict, path: Path) -> Path:
    """Write a run's data as JSON, in a folder that is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return path


def without_values(data: Any) -> Any:
    """A run's data as it is kept: scores without the value of each row, figures with six digits."""
    if isinstance(data, dict):
        return {key: without_values(value) for key, value in data.items() if key != "values"}
    if isinstance(data, (list, tuple)):
        return [without_values(value) for value in data]
    return round(data, 6) if isinstance(data, float) else data


def read(path: Path) -> dict:
    """A run's data from its file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def pooled(scores: Iterable[Score]) -> Score:
    """One score for the runs of several seeds on the same rows: their mean, with the range from the lowest
    end of their intervals to the highest.

    The range covers what the rows and what these seeds leave open, and is no 95 % interval of the mean. A row
    that several runs were asked about is one row, so n is the number of rows of one run.

    Raises:
        ValueError: if there is no score, or their runs were asked about different numbers of rows.
    """
    scores = list(scores)
    if not scores:
        raise ValueError(
            "No score to pool: is the run among those that `course bench peft --saved` or `course bench "
            "transfer --saved` lists?"
        )
    rows = {score.n for score in scores}
    if len(rows) > 1:
        raise ValueError(f"These runs were asked about {sorted(rows)} rows: pool those with the same rows.")
    mean = sum(score.value for score in scores) / len(scores)
    return Score(
        mean,
        min(score.low for score in scores),
        max(score.high for score in scores),
        rows.pop(),
    )

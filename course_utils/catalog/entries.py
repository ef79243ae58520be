"""The entries by name: every model, dataset and metric of the course, each declared in a file of its own."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeVar

from course_utils.datasets.dataset import Dataset
from course_utils.datasets.registry import DATASETS
from course_utils.fetched.registry import FETCHED
from course_utils.metrics.registry import METRICS, Metric
from course_utils.models.model import Model
from course_utils.models.registry import MODELS

Entry = TypeVar("Entry")


def model(name: str) -> Model:
    """The `Model` of that name; ValueError with the known names otherwise."""
    return _entry(MODELS, "model", name)


def dataset(name: str) -> Dataset:
    """The `Dataset` of that name; ValueError with the known names otherwise."""
    return _entry(DATASETS, "dataset", name)


def metric(name: str) -> Metric:
    """The `Metric` of that name; ValueError with the known names otherwise."""
    return _entry(METRICS, "metric", name)


def _entry(entries: Mapping[str, Entry], kind: str, name: str) -> Entry:
    if name in entries:
        return entries[name]
    known = [*entries, *(each.name for each in FETCHED.values() if each.kind == kind)]
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"The course has no {kind} {name!r}.{hint} Its {kind}s are: {', '.join(known)}.")

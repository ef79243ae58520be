"""All metrics of the course, by name: one for each folder here that holds a module of its own name.

A module says in two constants what others must know of it: RESULT, the key of the score in what `compute()`
returns, and MEANING. They are read from its source, as importing one loads `evaluate`.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from course_utils import metrics


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric module, which `evaluate.load(folder)` takes without a network.

    Attributes:
        result: the key of the score in what `compute()` returns.
        meaning: what the score is, as part of a sentence.
        folder: where the module is.
    """

    name: str
    result: str
    meaning: str
    folder: Path


def declared(folder: Path) -> Metric:
    """The metric in a folder.

    Raises:
        LookupError: unless its module sets RESULT and MEANING, each to a plain text.
    """
    module = folder / f"{folder.name}.py"
    texts = {
        target.id: statement.value.value
        for statement in ast.parse(module.read_text(encoding="utf-8")).body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    result, meaning = texts.get("RESULT"), texts.get("MEANING")
    if not (isinstance(result, str) and isinstance(meaning, str)):
        raise LookupError(f"{module} must set RESULT and MEANING, each to a text.")
    return Metric(name=folder.name, result=result, meaning=meaning, folder=folder)


def _all() -> dict[str, Metric]:
    folders = sorted(module.parent for root in metrics.__path__ for module in Path(root).glob("*/*.py"))
    return {folder.name: declared(folder) for folder in folders if (folder / f"{folder.name}.py").is_file()}


METRICS: dict[str, Metric] = _all()

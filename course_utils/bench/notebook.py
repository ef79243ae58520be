"""The solution notebooks of the small exercises that benches grade."""

from __future__ import annotations

import re
from collections.abc import Mapping


def solution_notebook(sources: Mapping[str, str]) -> dict:
    """A notebook of code cells, by name: `q1` is an answer, `q1-check` its check, any other is given."""
    cells: list[dict] = []
    for name, source in sources.items():
        check = name.endswith("-check")
        answer = re.fullmatch(r"q\d+", name) is not None
        marks = {"grade_id": name, "schema_version": 3, "task": False}
        marks |= {"grade": check, "solution": answer, "locked": check} | ({"points": 0} if check else {})
        metadata = {"nbgrader": marks} if check or answer else {}
        cell = {"cell_type": "code", "id": name, "source": source, "metadata": metadata}
        cells.append(cell | {"execution_count": None, "outputs": []})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}

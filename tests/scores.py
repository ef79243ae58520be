"""What the lessons state of trained models' scores: read from the cells' metadata, and shown by `python -m tests.scores`.

A cell whose output states scores lists those of trained models under `course.scores` in its metadata, each with
"model", "method", "data", "measure" and "score", and, where they apply, "steps", "rows" (trained on), "seed" and "why".
An empty list says that the cell's scores are no trained model's: baselines, differences, losses, untouched models.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from tests.notebook_keys import code_cells, read_notebook

ROOT = Path(__file__).resolve().parent.parent
FAR = 0.05  # scores that differ by more need a reason
NEEDED, ALLOWED = {"model", "method", "data", "measure", "score"}, {"steps", "rows", "seed", "why"}
# "0.61 [0.58, 0.65] n=200", as a Score prints itself
SCORE = re.compile(r"\d\.\d\d \[-?\d\.\d\d, -?\d\.\d\d\] n=\d+")
TRAINS = re.compile(
    r"train_briefly\(|Trainer\(|optimizer\.step\(|\.results\(\)|\.trainings\(\)|LogisticRegression\(|multi_task"
)


@dataclass(frozen=True)
class Stated:
    """One score as a cell states it. lesson: "07.3"; settings: method, steps, rows and seed."""

    lesson: str
    cell: str
    model: str
    data: str
    measure: str
    score: float
    settings: tuple[Any, ...]
    why: str


def output_of(cell: dict) -> str:
    """The text of a code cell's outputs."""
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell["outputs"]]
    return "".join("".join(text) for text in texts)


def entries(cell: dict) -> list[dict[str, Any]] | None:
    """The scores that a cell's metadata lists; None where it has no list."""
    return cell["metadata"].get("course", {}).get("scores")


def trains(notebook: dict) -> bool:
    return any(TRAINS.search("".join(cell["source"])) for cell in code_cells(notebook))


def number(path: Path) -> str:
    return f"{path.parent.name[:2]}.{int(path.name[:2])}"


def stated(paths: Iterable[Path]) -> list[Stated]:
    """Every score that is listed, in the order of the lessons."""
    found = []
    for path in paths:
        for cell in code_cells(read_notebook(path)):
            for entry in entries(cell) or []:
                settings = tuple(entry.get(name) for name in ("method", "steps", "rows", "seed"))
                place = (
                    number(path),
                    cell["id"],
                    *(entry[name] for name in ("model", "data", "measure", "score")),
                )
                found.append(Stated(*place, settings, entry.get("why", "")))
    return found


def differing(scores: list[Stated]) -> list[tuple[Stated, Stated]]:
    """Pairs of one model, data and measure whose scores are far apart."""
    return [
        (one, other)
        for one, other in combinations(scores, 2)
        if (one.model, one.data, one.measure) == (other.model, other.data, other.measure)
        and abs(one.score - other.score) > FAR
    ]


def pairs_of_comparisons(scores: list[Stated]) -> set[tuple[str, str]]:
    """Two lessons that both compare the same methods (their first words) and come to scores far apart."""
    pairs: dict[tuple[str, str], set[str]] = {}
    for one, other in differing(scores):
        methods = {each.settings[0].partition(",")[0] for each in (one, other)}
        if one.lesson != other.lesson and len(methods) == 1:
            pairs.setdefault((one.lesson, other.lesson), set()).update(methods)
    return {lessons for lessons, methods in pairs.items() if len(methods) > 1}


def lessons() -> list[Path]:
    return sorted((ROOT / "lessons").glob("*/*.ipynb"))


def table(scores: list[Stated]) -> str:
    """All scores, those of one model, data and measure below each other."""
    lines = []
    for one in sorted(scores, key=lambda one: (one.model, one.data, one.measure)):
        method, *counts = one.settings
        settings = "  ".join("-" if count is None else str(count) for count in counts)
        lines.append(
            f"{one.model} | {one.data} | {one.measure} | {method} | {settings} | {one.score} | {one.lesson}"
        )
    return "\n".join(["model | data | measure | method | steps  rows  seed | score | lesson", *lines])


if __name__ == "__main__":
    print(table(stated(lessons())))

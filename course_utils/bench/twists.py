"""`course bench twists`: what honest runs reach where examples carry a twist, and what they cost.

The twist differs in every draw, so each draw is another training. For each question the solution is graded
on some draws, in this process, and what its check compares with a bar is written down.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

from course_utils import setup
from course_utils.bench import run_files
from course_utils.checks import expect
from course_utils.checks.framework import load_exercise
from course_utils.checks.testing import given_cells, judge_namespace, namespace
from course_utils.install import ROOT

RESULT = ROOT / "course_utils" / "bench" / "results" / "twists.json"


@dataclass(frozen=True)
class Twisted:
    """A question whose examples carry a twist; `cells` are what its solution needs of the notebook, and
    `reached` are words for what its check compares with a lower bar.
    """

    exercise: str
    question: str
    cells: tuple[str, ...]
    reached: tuple[str, ...]
    before: str = ""

    @property
    def name(self) -> str:
        return f"{self.exercise[:2]} {self.question}"


QUESTIONS = (
    Twisted(
        "06_full_fine_tuning",
        "q6",
        ("imports", "materials", "q1-answer", "q5-answer", "q6-answer"),
        ("ROUGE-L", "the colour"),
    ),
    Twisted(
        "07_catastrophic_forgetting",
        "q5",
        ("setup", "q2-answer", "q4-data", "q4-run-collator", "q5-trainer", "q5-answer"),
        ("gain in ROUGE-L", "the colour", "kept share"),
    ),
    Twisted(
        "08_transfer_learning",
        "q5",
        ("q2-answer", "q4-data", "q5-answer"),
        ("both say the same",),
        "import torch",
    ),
    Twisted(
        "08_transfer_learning",
        "q9",
        ("q4-data", "q5-collate", "q9-given", "q9-reviews", "q9-answer"),
        ("gone of the way", "with a colour"),
        "import torch",
    ),
    Twisted(
        "10_lora_and_peft",
        "q4",
        ("q4-data", "q4-given", "q4-answer"),
        ("accuracy",),
        "import torch",
    ),
)


def honest_runs(twisted: Twisted, draws: int) -> Iterator[dict]:
    """One run of the solution a draw: its points, what it reached and the processor seconds that it took."""
    course = setup(exercise=twisted.exercise, profile="offline")
    exercise = load_exercise(twisted.exercise)
    made = namespace(twisted.before, given_cells(twisted.exercise, *twisted.cells), course=course)
    for number in range(draws):
        begun = time.process_time()
        with _compared() as values:
            report = judge_namespace(
                exercise, twisted.question, made, course=course, secret=f"twist {number}".encode()
            )
        yield {
            "points": report.points,
            "reached": {
                words: value for words in twisted.reached for what, value in values.items() if words in what
            },
            "seconds": time.process_time() - begun,
        }


@contextmanager
def _compared() -> Iterator[dict[str, float]]:
    """What is compared with a lower bar meanwhile, by the words for it."""
    values: dict[str, float] = {}
    at_least = expect.at_least

    def noting(value: float, least: float, what: str) -> None:
        values.setdefault(what, value)
        at_least(value, least, what)

    with patch.object(expect, "at_least", noting):
        yield values


def summary(runs: list[dict], points: float) -> dict:
    """n, how many got full points, the least and the mean of what was reached, and the mean seconds."""
    return {
        "n": len(runs),
        "full": sum(run["points"] == points for run in runs),
        "reached": {
            name: {
                "least": min(reached),
                "mean": sum(reached) / len(reached),
            }
            for name in sorted({name for run in runs for name in run["reached"]})
            if (reached := [run["reached"][name] for run in runs if name in run["reached"]])
        },
        "seconds": sum(run["seconds"] for run in runs) / len(runs),
    }


def line_of(name: str, found: dict) -> str:
    """A summary as a line of a table."""
    reached = ", ".join(
        f"{what} {each['least']:.2f} to mean {each['mean']:.2f}" for what, each in found["reached"].items()
    )
    return f"| {name} | {found['n']} | {found['full']} | {reached} | {found['seconds']:.0f} |"


def main(argv: list[str] | None = None) -> int:
    """The `course bench twists` command."""
    parser = argparse.ArgumentParser(prog="course bench twists", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "questions", nargs="*", metavar="QUESTION", help="such as 07 or '08 q9' (all that have a twist)"
    )
    parser.add_argument("--draws", type=int, default=20, metavar="N", help="of each question (20)")
    parser.add_argument("--save", action="store_true", help=f"keep the summaries in {RESULT.name}")
    options = parser.parse_args(argv)
    kept = run_files.read(RESULT) if RESULT.exists() else {}
    for twisted in QUESTIONS:
        if options.questions and not twisted.name.startswith(tuple(options.questions)):
            continue
        runs = []
        for run in honest_runs(twisted, options.draws):
            runs.append(run)
            print(f"{twisted.name}: {run}", file=sys.stderr, flush=True)
            found = summary(runs, load_exercise(twisted.exercise).find(twisted.question).points)
            kept[twisted.name] = run_files.without_values(found)
            if options.save:  # a run that is ended early keeps what it has
                run_files.write(kept, RESULT)
        print(line_of(twisted.name, kept[twisted.name]), flush=True)
    return 0

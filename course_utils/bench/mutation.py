"""`course bench checks`: how well the questions judge, in one table.

Runs `tests/checks/chapters` and prints, for each question of each chapter, how many of the
wrong answers written down there were caught (marked down, with the words that help)
and how many right ones were accepted (full points). Both must be all. Each answer is judged on twenty
draws of the question's data, fewer where judging is dear, and has to get the same points on all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from course_utils.checks.framework import Exercise, load_exercise
from course_utils.checks.testing import LEDGER, ROOT, SECONDS, SEEDS


@dataclass
class Verdict:
    """What the tests found about one question; `by_hand` ones have no check to judge."""

    exercise: str
    question: str
    points: float
    by_hand: bool
    wrong: int = 0
    caught: int = 0
    right: int = 0
    accepted: int = 0
    varying: int = 0
    draws: list[int] = field(default_factory=list)  # for each answer, on how many it was judged
    faults: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every wrong answer was caught and every right one accepted, and there were some."""
        tried = self.wrong and self.right
        return self.by_hand or bool(tried and not self.faults)


def verdicts(exercises: list[Exercise], ledger: Path) -> list[Verdict]:
    """The ledger's lines added up, one verdict a question; one that no test tried gets a fault."""
    found = {
        (exercise.name, question.name): Verdict(
            exercise.name, question.name, question.points, question.manual
        )
        for exercise in exercises
        for question in exercise.questions.values()
    }
    for line in map(json.loads, ledger.read_text(encoding="utf-8").splitlines() if ledger.exists() else []):
        verdict = found.get((line["exercise"], line["question"]))
        if verdict is not None:
            verdict.caught += line["wrong"][0]
            verdict.wrong += line["wrong"][1]
            verdict.accepted += line["right"][0]
            verdict.right += line["right"][1]
            verdict.varying += line["varying"]
            verdict.draws += line["draws"]
            verdict.faults += line["faults"]
    for verdict in found.values():
        for kind in ("wrong", "right"):
            if not verdict.by_hand and not getattr(verdict, kind):
                verdict.faults.append(f"no {kind} answer is tried in tests/checks/chapters")
    return list(found.values())


def table(found: list[Verdict]) -> str:
    """The verdicts as text."""
    width = max((len(verdict.exercise) for verdict in found), default=8)
    lines = [f"{'exercise':<{width}}  question  wrong: caught   right: accepted  draws     points vary"]
    for verdict in found:
        place = f"{verdict.exercise:<{width}}  {verdict.question:<8}"
        if verdict.by_hand:
            lines.append(f"{place}  marked by hand")
            continue
        caught, accepted = f"{verdict.caught} of {verdict.wrong}", f"{verdict.accepted} of {verdict.right}"
        first = "" if verdict.good else f"   FAULT: {verdict.faults[0].splitlines()[0]}"
        draws, varying = _range(verdict.draws), f"{verdict.varying} of {len(verdict.draws)}"
        lines.append(f"{place}  {caught:<14}  {accepted:<15}  {draws:<8}  {varying:<11}{first}".rstrip())
    judged = [verdict for verdict in found if not verdict.by_hand]
    lines.append(
        f"{len(judged)} questions: {sum(v.caught for v in judged)} of {sum(v.wrong for v in judged)} wrong "
        f"answers caught, {sum(v.accepted for v in judged)} of {sum(v.right for v in judged)} right ones "
        f"accepted, {sum(not v.good for v in judged)} questions with a fault"
    )
    counts, vary = [count for v in judged for count in v.draws], sum(v.varying for v in judged)
    answers = f"{vary} of {len(counts)} answers" + (f" ({vary / len(counts):.1%})" if counts else "")
    lines.append(f"on {_range(counts)} draws each; the points of {answers} vary between them")
    return "\n".join(lines)


def _range(counts: list[int]) -> str:
    """The least and the most of some counts."""
    ends = sorted({min(counts, default=0), max(counts, default=0)})
    return " to ".join(map(str, ends))


def exercises_of(names: list[str]) -> list[Exercise]:
    """The named exercises, or all that have a solution; `LookupError` for one there is not."""
    known = sorted(path.parent.name for path in (ROOT / "solutions").glob("*/*.ipynb"))
    return [load_exercise(name) for name in names or known]


def tests_of(exercise: Exercise) -> Path:
    """The file that tries right and wrong answers on an exercise's questions."""
    return ROOT / "tests" / "checks" / "chapters" / f"test_{exercise.name.partition('_')[2]}.py"


def run_tests(exercises: list[Exercise], ledger: Path, seeds: int, seconds: float) -> int:
    """Run those exercises' tests on so many draws an answer, their progress on stderr; pytest's exit code."""
    files = [path for exercise in exercises if (path := tests_of(exercise)).exists()]
    if not files:
        return 0
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--no-header",
        "-p",
        "no:cacheprovider",
        *map(str, files),
    ]
    wishes = {LEDGER: str(ledger), SEEDS: str(seeds), SECONDS: str(seconds)}
    done = subprocess.run(command, cwd=ROOT, env=os.environ | wishes, stdout=sys.stderr)
    return done.returncode


def main(argv: list[str] | None = None) -> int:
    """The `course bench checks` command; exit code 0 when every question judges well."""
    parser = argparse.ArgumentParser(
        prog="course bench checks",
        description="How many wrong answers are caught, how many right ones accepted.",
    )
    parser.add_argument(
        "exercises", nargs="*", metavar="EXERCISE", help="06_full_fine_tuning; all by default"
    )
    parser.add_argument("--seeds", type=int, default=20, help="draws that each answer is judged on (20)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=10,
        help="after so many an answer gets no more draws (10); a right one gets two, a wrong one one",
    )
    parser.add_argument("--json", action="store_true", help="the table as JSON")
    options = parser.parse_args(argv)
    try:
        exercises = exercises_of(options.exercises)
    except LookupError as error:
        print(f"course bench checks: {error.args[0]}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "ledger.jsonl"
        failed = run_tests(exercises, ledger, max(options.seeds, 2), options.seconds)
        found = verdicts(exercises, ledger)
    good = not failed and all(verdict.good for verdict in found)
    if options.json:
        print(
            json.dumps({"good": good, "questions": [asdict(v) | {"good": v.good} for v in found]}, indent=1)
        )
    else:
        print(table(found))
        if failed:
            print(f"the tests themselves did not all pass (pytest's exit code {failed}); see above")
    return 0 if good else 1

"""Answers without the work: what a claim is, how one is graded, and what came of all of them.

The attacks of the arena try the sandbox, on a small exercise of their own. A claim tries a question of
a chapter: it is graded in the chapter's own notebook, cut down to the cells that it needs, by the
grader's own way, in a sandbox, on data that only a grader has.
"""

import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field

import nbformat

from course_utils.checks.framework import Exercise, load_exercise
from course_utils.checks.testing import solution_path
from course_utils.grading.run import batch, executor
from course_utils.grading.run.reading import Cell
from course_utils.grading.run.warm import Nursery

SECRET = b"a secret of the bench"
CLOCKS = executor.Clocks(cell=300, total=420)


@dataclass(frozen=True)
class Claim:
    """One answer that does not do the work.

    `given`: the ids of the notebook's cells that it needs besides the first; None for all above the answer. `source` is its answer
    cell. `earned` are the points of what is right in it all the same (a model of the right size that
    was not trained); whatever is above them was not earned.
    """

    family: str
    exercise: str
    question: str
    aim: str
    source: str
    given: tuple[str, ...] | None = ()
    earned: float = 0

    @property
    def name(self) -> str:
        return f"{self.exercise[:2]}-{self.question}-{self.aim.replace(' ', '-')}"


@dataclass
class Verdict:
    """What came of one claim: its points above what was earned, whether it hung, and what is wrong with that."""

    claim: str
    family: str
    unearned: float = 0.0
    hung: bool = False
    seconds: float = 0.0
    line: str = ""
    faults: list[str] = field(default_factory=list)


def grade(claims, said=lambda line: None, sandbox="auto"):
    """The verdicts on some claims, each told as soon as it is there; one warm process serves a chapter."""
    verdicts = []
    for name in sorted({claim.exercise for claim in claims}):
        exercise, mine = load_exercise(name), [claim for claim in claims if claim.exercise == name]
        nursery = Nursery(sandbox, batch.imports_of(_notebook(name)))
        try:
            for claim in mine:
                verdicts.append(_graded(claim, exercise, nursery))
                said(line_of(verdicts[-1]))
        finally:
            nursery.close()
    return verdicts


def _graded(claim: Claim, exercise: Exercise, nursery: Nursery) -> Verdict:
    verdict, begun = Verdict(claim.name, claim.family), time.monotonic()
    try:
        graded = executor.grade(
            cut_down(claim),
            [Cell("code", claim.source, grade_id=claim.question)],
            exercise,
            executor.secret_keys(SECRET, claim.name),
            CLOCKS,
            nursery=nursery,
        )
    except Exception as error:
        verdict.faults.append(f"the grader failed: {type(error).__name__}: {error}")
        return verdict
    finally:
        verdict.seconds = time.monotonic() - begun
    report = graded.reports[claim.question]
    verdict.hung = verdict.seconds >= CLOCKS.total
    wrong = next((piece for piece in report.parts if piece.points < piece.max_points), None)
    verdict.line = f"{report.rung}: expected {wrong.expected}; got {wrong.got}" if wrong else report.rung
    if report.points is None:
        verdict.faults.append(f"is ungraded: {'; '.join(report.notes)}")
    elif report.points > claim.earned:
        verdict.unearned = report.points - claim.earned
        verdict.faults.append(f"{report.points:g} points, {claim.earned:g} of them earned")
    if verdict.hung:
        verdict.faults.append(f"took {verdict.seconds:.0f} s")
    return verdict


def _notebook(exercise):
    return nbformat.read(solution_path(exercise), as_version=4)


def cut_down(claim):
    """The exercise's notebook without the cells that the claim does not need."""
    notebook = _notebook(exercise=claim.exercise)
    if claim.given is None:
        return up_to(notebook, f"{claim.question}-check")
    wanted = {"setup", *claim.given}
    missing = wanted - {cell.id for cell in notebook.cells}
    assert not missing, f"{claim.exercise} has no cells {missing}"
    its_own = (claim.question, f"{claim.question}-check")
    notebook.cells = [cell for cell in notebook.cells if cell.id in wanted or _grade_id(cell) in its_own]
    return notebook


def up_to(notebook, check):
    """The notebook down to a check, without the checks before it."""
    last = [_grade_id(cell) for cell in notebook.cells].index(check)
    notebook.cells = [
        cell
        for cell in notebook.cells[: last + 1]
        if _grade_id(cell) == check or not _grade_id(cell).endswith("-check")
    ]
    return notebook


def _grade_id(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def line_of(verdict):
    """A verdict as one line of text."""
    mark = "  FAULT: " + verdict.faults[0] if verdict.faults else ""
    return (
        f"{verdict.claim:<60.60} {verdict.family:<17} {verdict.unearned:>6g}  {verdict.seconds:>7.1f}  "
        f"{' '.join(verdict.line.split())[:110]}{mark}"
    )


def families(verdicts):
    """One line a family: its cases, unearned points, hangs and faults."""
    found = defaultdict(list)
    for verdict in verdicts:
        found[verdict.family].append(verdict)
    lines = [f"{'family':<17} cases  unearned points  hangs  faults"]
    for family, mine in sorted(found.items()):
        lines.append(
            f"{family:<17} {len(mine):>5}  {sum(one.unearned for one in mine):>15g}  "
            f"{sum(one.hung for one in mine):>5}  {sum(bool(one.faults) for one in mine):>6}"
        )
    return "\n".join(lines)


def as_rows(verdicts):
    """The verdicts as plain data."""
    return [asdict(verdict) for verdict in verdicts]

"""For the tests of the checks: judge answers given as source code, in this process.

    from course_utils.checks.testing import bench, solution_sources, stub_sources

    result = bench("06_full_fine_tuning", "q1", wrong=["def mask_padding(rows, pad):\\n    return rows"],
                   right=["def mask_padding(rows, pad): ..."])
    result.assert_good()

``bench`` takes the answers to the other questions from the solution notebook, so
each candidate stands where a learner's answer would.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

from course_utils.checks.framework import PUBLIC_SECRET, Exercise, Report, Rung, load_exercise, seed_key
from course_utils.wire.answer import LocalTransport
from course_utils.wire.learner import asset_loader

ROOT = Path(__file__).resolve().parents[2]
STUB = "raise NotImplementedError()"


def notebook_cells(path: Path) -> list[tuple[str, str | None, str]]:
    """``(role, grade id, source)`` of a notebook's code cells; roles are answer, check and other."""
    import nbformat

    cells = []
    for cell in nbformat.read(path, as_version=4).cells:
        marks = cell.metadata.get("nbgrader", {})
        if cell.cell_type != "code":
            continue
        role = "answer" if marks.get("solution") else "check" if marks.get("grade") else "other"
        cells.append((role, marks.get("grade_id"), cell.source))
    return cells


def solution_path(exercise: str) -> Path:
    """Where an exercise's solution notebook lies."""
    return ROOT / "solutions" / exercise / f"{exercise}.ipynb"


def run_cells(sources: list[str], namespace: dict) -> None:
    """Execute cells in one namespace, quietly; ``NotImplementedError`` is let pass, as a notebook does."""
    for number, source in enumerate(sources):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(NotImplementedError):
            exec(compile(source, f"<cell {number}>", "exec"), namespace)


def judge_namespace(
    exercise: Exercise, question: str, namespace: dict, *, course=None, secret: bytes = PUBLIC_SECRET
) -> Report:
    """The report on one question for a namespace; another ``secret`` draws other data."""
    loader = asset_loader(course.model, course.dataset) if course is not None else _no_assets
    key = seed_key(secret, "", exercise.name, question)
    return exercise.find(question).run(LocalTransport(namespace, loader), key)


def _no_assets(asset):
    raise LookupError(f"this test has no course, so {asset} cannot be loaded")


def judge_source(
    exercise: Exercise | str,
    question: str,
    source: str,
    *,
    before: str = "",
    course=None,
    secret: bytes = PUBLIC_SECRET,
) -> Report:
    """The report on one question when the notebook is ``before`` and then ``source``.

    A candidate that does not even run is judged on what it left, as in a notebook.
    """
    exercise = load_exercise(exercise) if isinstance(exercise, str) else exercise
    namespace = {"__name__": "__main__"}
    if course is not None:
        namespace["course"] = course
    run_cells([before], namespace)
    with contextlib.suppress(Exception):
        run_cells([source], namespace)
    return judge_namespace(exercise, question, namespace, course=course, secret=secret)


@dataclass(frozen=True)
class Bench:
    """Reports of one question for its stub, its solution, wrong answers and other right ones."""

    question: str
    solution: Report
    stub: Report
    wrong: tuple[Report, ...]
    right: tuple[Report, ...]

    def faults(self) -> list[str]:
        """What the check got wrong, in words; empty when all is well."""
        faults = []
        for number, report in enumerate((self.solution, *self.right)):
            if report.points != report.max_points:
                name = "the solution" if number == 0 else f"right answer {number - 1}"
                faults.append(f"{self.question}: {name} does not get full points\n{report.text()}")
        if self.stub.points or self.stub.rung not in (Rung.NOT_STARTED.value, Rung.MISSING.value):
            faults.append(f"{self.question}: the stub is not 'not started'\n{self.stub.text()}")
        for number, report in enumerate(self.wrong):
            if report.points is None or report.points >= report.max_points:
                faults.append(f"{self.question}: wrong answer {number} is not caught\n{report.text()}")
        return faults

    def assert_good(self) -> None:
        """Raise ``AssertionError`` with every fault."""
        faults = self.faults()
        assert not faults, "\n\n".join(faults)


def bench(
    exercise: Exercise | str,
    question: str,
    *,
    solution: str,
    stub: str,
    wrong: list[str],
    right: list[str] = (),
    before: str = "",
    course=None,
) -> Bench:
    """Judge a question's solution, stub, wrong answers and other right answers.

    Everything is source code of the one answer cell; ``before`` is what the notebook
    ran ahead of it (imports, data). Right answers are judged on the learner's public
    data and on a secret draw as well; the worse of the two reports counts.
    """

    def judge(source: str, secret: bytes = PUBLIC_SECRET) -> Report:
        return judge_source(exercise, question, source, before=before, course=course, secret=secret)

    def judge_twice(source: str) -> Report:
        return min(judge(source), judge(source, b"another draw"), key=lambda report: report.points or 0)

    return Bench(
        question,
        judge_twice(solution),
        judge(stub),
        tuple(judge(source) for source in wrong),
        tuple(judge_twice(source) for source in right),
    )


def answer_source(exercise: str, question: str) -> str:
    """The solution notebook's source of one answer cell."""
    for role, name, source in notebook_cells(solution_path(exercise)):
        if role == "answer" and name == question:
            return source
    raise LookupError(f"{solution_path(exercise)} has no answer cell {question!r}")


def stub_source(source: str) -> str:
    """An answer cell's source as the learner gets it: the marked solution replaced by the stub."""
    lines, inside = [], False
    for line in source.split("\n"):
        if "### BEGIN SOLUTION" in line:
            indent = line[: len(line) - len(line.lstrip())]
            lines += [f"{indent}# YOUR CODE HERE", f"{indent}{STUB}"]
            inside = True
        elif "### END SOLUTION" in line:
            inside = False
        elif not inside:
            lines.append(line)
    return "\n".join(lines)

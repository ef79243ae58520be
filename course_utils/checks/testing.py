"""For the tests of the checks: judge answers given as source code, in this process.

    from course_utils.checks.testing import judged_well

    judged_well(
        "06_full_fine_tuning", "q1",
        wrong={"def mask_padding(rows, pad):\\n    return rows": "the labels at the padding"},
        right=["def mask_padding(rows, pad): ..."],
    )

Where making an answer is dear (a trained model), it is made once and
`judged_objects_well` judges the namespace that holds it. Both write down what
they found when `course bench checks` asks for it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

from course_utils.cells import as_python
from course_utils.checks import render
from course_utils.checks.framework import PUBLIC_SECRET, Exercise, Paths, load_exercise, seed_key
from course_utils.checks.report import Report, Rung
from course_utils.install import ROOT
from course_utils.wire.answer import LocalTransport
from course_utils.wire.codec import Bounds
from course_utils.wire.learner import asset_loader
from course_utils.wire.references import Asset

STUB = "raise NotImplementedError()"
PATIENCE = 20  # how many times a check's own limit a test waits for an answer
LEDGER = "COURSE_CHECKS_LEDGER"  # names the file that verdicts are added to, one line of JSON each
SEEDS = (
    "COURSE_CHECKS_SEEDS"  # on how many draws each answer is judged, where a bench asks for more than a test
)
SECONDS = "COURSE_CHECKS_SECONDS"  # after so many seconds an answer that is dear to judge gets no more draws


def notebook_cells(path: Path) -> list[tuple[str, str | None, str]]:
    """`(role, grade id, source)` of a notebook's code cells; roles are answer, check and other."""
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


def given_cells(exercise: str, *names: str) -> str:
    """The source of cells of the solution notebook by their ids, one after the other."""
    import nbformat

    cells = {cell.id: cell.source for cell in nbformat.read(solution_path(exercise), as_version=4).cells}
    return "\n\n".join(cells[name] for name in names)


def given_cell_with(exercise: str, words: str) -> str:
    """The source of the one cell that the notebook gives and that holds these words."""
    cells = [source for role, _, source in notebook_cells(solution_path(exercise)) if role == "other"]
    (found,) = [source for source in cells if words in source]
    return found


def run_cells(sources: list[str], made: dict) -> None:
    """Execute cells in one namespace, quietly; `NotImplementedError` is let pass, as a notebook does."""
    for number, source in enumerate(sources):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(NotImplementedError):
            exec(compile(as_python(source), f"<cell {number}>", "exec"), made)


def judge_namespace(
    exercise: Exercise,
    question: str,
    made: dict,
    *,
    course: Paths | None = None,
    secret: bytes = PUBLIC_SECRET,
) -> Report:
    """The report on one question for a namespace; another `secret` draws other data."""
    loader = asset_loader(course.model, course.dataset) if course is not None else _no_assets
    key = seed_key(secret, "", exercise.name, question)
    return exercise.find(question).run(_Patient(made, loader), key)


class _Patient(LocalTransport):
    """A test may share its machine with anything, which must not make an answer too slow."""

    def ask(self, request: bytes, seconds: float, bounds: Bounds) -> bytes:
        return super().ask(request, PATIENCE * seconds, bounds)


def _no_assets(asset: Asset) -> NoReturn:
    raise LookupError(f"this test has no course, so {asset} cannot be loaded")


def judge_source(
    exercise: Exercise | str,
    question: str,
    source: str,
    *,
    before: str = "",
    course: Paths | None = None,
    secret: bytes = PUBLIC_SECRET,
) -> Report:
    """The report on one question when the notebook is `before` and then `source`.

    A candidate that does not even run is judged on what it left, as in a notebook.
    """
    exercise = load_exercise(exercise) if isinstance(exercise, str) else exercise
    made = namespace(before, course=course)
    with contextlib.suppress(Exception):
        run_cells([source], made)
    return judge_namespace(exercise, question, made, course=course, secret=secret)


@dataclass(frozen=True)
class Bench:
    """Reports of one question for its stub, its solution, wrong answers and other right ones."""

    question: str
    solution: Report
    stub: Report
    wrong: tuple[Report, ...]
    right: tuple[Report, ...]
    drawn: Drawn

    def faults(self) -> list[str]:
        """What the check got wrong, in words; empty when all is well."""
        faults = []
        for number, report in enumerate((self.solution, *self.right)):
            if not _is_full(report):
                name = "the solution" if number == 0 else f"right answer {number - 1}"
                faults.append(
                    f"{self.question}: {name} does not get full points\n{render.report_text(report)}"
                )
        if self.stub.points or self.stub.rung not in (Rung.NOT_STARTED.value, Rung.MISSING.value):
            faults.append(f"{self.question}: the stub is not 'not started'\n{render.report_text(self.stub)}")
        for number, report in enumerate(self.wrong):
            if not _is_marked_down(report):
                faults.append(
                    f"{self.question}: wrong answer {number} is not caught\n{render.report_text(report)}"
                )
        return faults + [f"{self.question}: {words}" for words in self.drawn.varying]

    def assert_good(self) -> None:
        """Raise `AssertionError` with every fault."""
        faults = self.faults()
        assert not faults, "\n\n".join(faults)


def bench(
    exercise: Exercise | str,
    question: str,
    *,
    solution: str,
    stub: str,
    wrong: list[str],
    right: Sequence[str] = (),
    before: str = "",
    course: Paths | None = None,
) -> Bench:
    """Judge a question's solution, stub, wrong answers and other right answers.

    Everything is source code of the one answer cell; `before` is what the notebook
    ran ahead of it (imports, data). Right answers are judged on the learner's public
    data and on a secret draw as well; the worse of the two reports counts.
    """
    drawn = Drawn()

    def judge(source: str, secret: bytes = PUBLIC_SECRET) -> Report:
        return judge_source(exercise, question, source, before=before, course=course, secret=secret)

    def right_one(name: str, source: str) -> Report:
        return drawn.right(name, partial(judge, source))

    return Bench(
        question,
        right_one("the solution", solution),
        judge(stub),
        tuple(drawn.wrong(f"wrong answer {n}", partial(judge, source)) for n, source in enumerate(wrong)),
        tuple(right_one(f"right answer {n}", source) for n, source in enumerate(right)),
        drawn,
    )


class Drawn:
    """Answers, each judged on several draws; and what was seen of that.

    A test judges a wrong answer on the public draw and a right one on another, too. A bench asks for more
    (`SEEDS`), until an answer has taken its time (`SECONDS`): the same answer has to get the same points
    on all of them.
    """

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.varying: list[str] = []

    def right(self, name: str, judge: Callable[[bytes], Report]) -> Report:
        """The worst of a right answer's reports."""
        return min(self._judged(name, judge, 2), key=lambda report: report.points or 0)

    def wrong(self, name: str, judge: Callable[[bytes], Report]) -> Report:
        """A wrong answer's report on the public draw, or else the first one that lets it pass."""
        reports = self._judged(name, judge, 1)
        return next((report for report in reports if not _is_marked_down(report)), reports[0])

    def _judged(self, name: str, judge: Callable[[bytes], Report], least: int) -> list[Report]:
        seconds = float(os.environ.get(SECONDS, "inf"))
        reports: list[Report] = []
        began = time.monotonic()
        for secret in _secrets(int(os.environ.get(SEEDS, least))):
            if len(reports) >= least and time.monotonic() - began > seconds:
                break
            reports.append(judge(secret))
        points = Counter(report.points for report in reports)
        self.counts.append(len(reports))
        if len(points) > 1:
            seen = ", ".join(f"{each} on {count}" for each, count in points.most_common())
            self.varying.append(f"the points of {name} vary between draws: {seen}")
        return reports


def _secrets(count: int) -> list[bytes]:
    """The public secret and others."""
    return [PUBLIC_SECRET, b"another draw", *(f"draw {n}".encode() for n in range(3, count + 1))][:count]


def judged_well(
    exercise: str,
    question: str,
    *,
    wrong: dict[str, str],
    right: list[str],
    before: str = "",
    course: Paths | None = None,
) -> Bench:
    """Assert that a question judges its solution, stub, wrong answers and other right ones well.

    `wrong` maps each wrong answer's source to words that its report must hold, so that
    the learner is told what helps. Solution and stub come from the solution notebook.
    Returns the `Bench`, for assertions on partial credit.
    """
    solution = answer_source(exercise, question)
    result = bench(
        exercise,
        question,
        solution=solution,
        stub=stub_source(solution),
        wrong=list(wrong),
        right=right,
        before=before,
        course=course,
    )
    faults = result.faults()
    for number, (report, words) in enumerate(zip(result.wrong, wrong.values(), strict=True)):
        faults += _silent(f"{question}: wrong answer {number}", report, words)
    caught = sum(
        _is_caught(report, words) for report, words in zip(result.wrong, wrong.values(), strict=True)
    )
    accepted = sum(_is_full(report) for report in (result.solution, *result.right))
    _write_down(exercise, question, (caught, len(wrong)), (accepted, 1 + len(right)), result.drawn, faults)
    assert not faults, "\n\n".join(faults)
    return result


def judged_objects_well(
    exercise: str,
    question: str,
    *,
    wrong: dict[str, tuple[dict, str]] | None = None,
    right: dict[str, dict] | None = None,
    course: Paths | None = None,
) -> dict[str, Report]:
    """The twin of `judged_well` for namespaces that a test made itself.

    `wrong`: a name for the mistake -> the namespace and the words that its report must
    hold; `right`: a name -> the namespace, judged on two draws. `namespace` makes
    one from cells. Returns the reports by name.
    """
    wrong, right = wrong or {}, right or {}
    found = load_exercise(exercise)

    drawn = Drawn()

    def judge(made: dict, secret: bytes) -> Report:
        return judge_namespace(found, question, made, course=course, secret=secret)

    reports = {name: drawn.wrong(name, partial(judge, made)) for name, (made, _) in wrong.items()}
    reports |= {name: drawn.right(name, partial(judge, made)) for name, made in right.items()}
    faults = [f"{question}: {words}" for words in drawn.varying]
    for name, (_, words) in wrong.items():
        if not _is_marked_down(reports[name]):
            faults.append(f"{question}: {name} is not caught\n{render.report_text(reports[name])}")
        faults += _silent(f"{question}: {name}", reports[name], words)
    faults += [
        f"{question}: {name} does not get full points\n{render.report_text(reports[name])}"
        for name in right
        if not _is_full(reports[name])
    ]
    caught = sum(_is_caught(reports[name], words) for name, (_, words) in wrong.items())
    accepted = sum(_is_full(reports[name]) for name in right)
    _write_down(exercise, question, (caught, len(wrong)), (accepted, len(right)), drawn, faults)
    assert not faults, "\n\n".join(faults)
    return reports


def namespace(*sources: str, course: Paths | None = None) -> dict:
    """What a notebook holds after these cells; pass `course` if they use it."""
    made: dict = {"__name__": "__main__"}
    if course is not None:
        made["course"] = course
    run_cells(list(sources), made)
    return made


def _is_full(report: Report) -> bool:
    return report.points == report.max_points


def _is_marked_down(report: Report) -> bool:
    return report.points is not None and report.points < report.max_points


def _is_caught(report: Report, words: str) -> bool:
    return _is_marked_down(report) and not _silent("", report, words)


def _silent(name: str, report: Report, words: str) -> list[str]:
    """A fault if the report lacks the words that help, or does not say where to read on."""
    missing = [text for text in (words, report.lesson) if text not in render.report_text(report)]
    return (
        [f"{name}: its report does not say {missing[0]!r}\n{render.report_text(report)}"] if missing else []
    )


def _write_down(
    exercise: str,
    question: str,
    wrong: tuple[int, int],
    right: tuple[int, int],
    drawn: Drawn,
    faults: list[str],
) -> None:
    """Add a verdict to the ledger, if there is one: (caught, of) wrong answers, (accepted, of) right ones."""
    path = os.environ.get(LEDGER)
    if not path:
        return
    line = {
        "exercise": exercise,
        "question": question,
        "wrong": wrong,
        "right": right,
        "draws": drawn.counts,
        "varying": len(drawn.varying),
        "faults": faults,
    }
    with open(path, "a", encoding="utf-8") as ledger:
        ledger.write(json.dumps(line) + "\n")


def answer_source(exercise: str, question: str) -> str:
    """The solution notebook's source of one answer cell."""
    for role, name, source in notebook_cells(solution_path(exercise)):
        if role == "answer" and name == question:
            return source
    raise LookupError(f"{solution_path(exercise)} has no answer cell {question!r}")


def replaced(source: str, *pairs: tuple[str, str]) -> str:
    """A source with each old text replaced by its new one; `AssertionError`
    if one is not there (any more).
    """
    for old, new in pairs:
        assert old in source, f"there is no {old!r} in\n{source}"
        source = source.replace(old, new)
    return source


def changed_answer(exercise: str, question: str, *pairs: tuple[str, str]) -> str:
    """The solution of a question with texts replaced: a mistake, or another way,
    in the middle of a right answer.
    """
    return replaced(answer_source(exercise, question), *pairs)


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

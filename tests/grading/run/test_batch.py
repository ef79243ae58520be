"""Many side by side: what brings a grading process down is tried once more and harms nobody else."""

import json
import os
import shutil
import signal

import pytest
from nbgrader.api import Gradebook

from course_utils.grading.desk import autograde
from course_utils.grading.run import batch, executor
from course_utils.grading.run.batch import Grader, grade_all, imports_of
from course_utils.grading.run.warm import STACK, SandboxError
from tests.grading import toy


def points(graded):
    return {
        each.submission.student: sum(report.points or 0 for report in each.graded.reports.values())
        for each in graded
    }


def test_everybody_is_graded_once_and_the_sandbox_is_announced(grader, hand_in):
    said = []
    class_ = [hand_in(f"s{number}", **(toy.ANSWERS if number % 2 else {})) for number in range(5)]
    graded = list(grade_all(class_, grader, 2, lambda level, reached: said.append((level, reached))))
    assert points(graded) == {"s0": 0, "s1": 6, "s2": 0, "s3": 6, "s4": 0}
    assert len(said) == 1
    assert all(each.graded.sandbox == said[0][0] for each in graded)


def killed(times, place):
    """An `executor.grade` that is killed a number of times, counted in a file since each time is another process."""
    grade = executor.grade

    def inside(released, submitted, *rest, **options):
        if any("KILL" in cell.source for cell in submitted):
            count = int(place.read_text() or 0)
            if count < times:
                place.write_text(str(count + 1))
                os.kill(os.getpid(), signal.SIGKILL)
        return grade(released, submitted, *rest, **options)

    place.write_text("0")
    return inside


@pytest.mark.parametrize(("times", "score"), [(1, 6), (batch.TRIES, 0)])
def test_a_grading_process_that_dies_is_replaced(grader, hand_in, monkeypatch, tmp_path, times, score):
    monkeypatch.setattr(executor, "grade", killed(times, tmp_path / "count"))
    class_ = [
        hand_in("ann", **toy.ANSWERS),
        hand_in("bob", **toy.ANSWERS | {"q3": "KILL"}),
        hand_in("cy", **toy.ANSWERS),
    ]
    graded = {each.submission.student: each for each in grade_all(class_, grader, 1)}
    assert points(graded.values()) == {"ann": 6, "bob": score, "cy": 6}
    assert ("ended, twice" in graded["bob"].why) == (score == 0)
    assert graded["bob"].again == (score == 0)


@pytest.mark.slow
def test_a_grading_process_that_takes_too_long_is_ended(grader, hand_in, monkeypatch):
    monkeypatch.setattr(batch, "GRACE_SECONDS", -batch.MOST * Grader.total_seconds + 3)
    monkeypatch.setattr(executor, "grade", lambda *rest, **options: signal.pause())
    (graded,) = grade_all([hand_in("ann")], grader, 1)
    assert "ended, twice" in graded.why


def test_no_wall_is_no_run(grader, hand_in, monkeypatch):
    def fail(self):
        raise SandboxError("no sandbox holds here")

    monkeypatch.setattr(batch.Nursery, "open", fail)
    with pytest.raises(SandboxError, match="no sandbox holds"):
        list(grade_all([hand_in("ann")], grader, 2))


def test_an_infrastructure_failure_is_not_the_learners(grader, hand_in, monkeypatch):
    def barren(*rest, **options):
        raise executor.Unstarted("the process that runs notebooks did not start")

    monkeypatch.setattr(executor, "grade", barren)
    (graded,) = grade_all([hand_in("ann", **toy.ANSWERS)], grader, 1)
    assert graded.again
    assert {report.points for report in graded.graded.reports.values()} == {None}


def test_a_broken_submission_is_the_learners(grader, hand_in):
    submission = hand_in("ann")
    (submission.folder / f"{toy.NAME}.ipynb").write_text("{")
    (graded,) = grade_all([submission], grader, 1)
    assert "broken JSON" in graded.why
    assert not graded.again


def test_the_same_submission_gives_the_same_stamp_and_words(grader, hand_in):
    submission = hand_in("ann", q1="def double(n): return n")
    one, two = (next(iter(grade_all([submission], grader, 1))) for _ in range(2))
    assert one.stamp == two.stamp
    assert one.graded.reports == two.graded.reports
    assert one.graded.notebook == two.graded.notebook


def test_what_is_imported_beforehand_comes_from_cells_that_learners_cannot_change(released_path):
    notebook = executor.read_released(released_path)
    assert imports_of(notebook) == ("import sys",)
    setup = next(cell for cell in notebook.cells if cell.id == "setup")
    setup.source = "import torch, os\nfrom transformers import (\n    AutoModel,\n)\n1 + 1"
    assert imports_of(notebook) == (*STACK, "import torch, os", "from transformers import AutoModel")
    setup.source = (
        "try:\n    import re\nexcept ImportError:\n    %pip install re\n    import re\n\nimport torch"
    )
    assert imports_of(notebook) == (*STACK, "import re", "import torch")
    answer = next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("solution"))
    answer.source = "import evil"
    assert "import evil" not in imports_of(notebook)


def test_memory_is_shared_out():
    assert batch.fair_memory(1) <= batch.Caps.memory
    assert batch.fair_memory(10_000) == 2**30


def sixteen(tmp_path, hand_in, prepared, solutions, size):
    """Grade a class with sixteen grading processes and one gradebook; returns who has which score there."""
    expected = {}
    for number in range(size):
        answers = (toy.ANSWERS, {}, {"q1": toy.ANSWERS["q1"]})[number % 3]
        hand_in(f"s{number:03d}", **answers)
        expected[f"s{number:03d}"] = (6.0, 0.0, 4.0)[number % 3]
    shutil.copytree(prepared, tmp_path / "out")
    autograde.grade_class(tmp_path / "submitted", tmp_path / "out", jobs=16, solutions=solutions)
    with Gradebook(f"sqlite:///{tmp_path / 'out' / 'gradebook.db'}") as book:
        found = {each.student.id: each.score for each in book.assignment_submissions(toy.NAME)}
    rows = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert len(rows) == 3 * size
    assert found == expected


@pytest.mark.slow
def test_sixteen_workers_on_one_gradebook_lose_nothing(tmp_path, hand_in, prepared, solutions):
    sixteen(tmp_path, hand_in, prepared, solutions, 32)


@pytest.mark.exhaustive
def test_sixteen_workers_and_four_hundred_submissions(tmp_path, hand_in, prepared, solutions):
    sixteen(tmp_path, hand_in, prepared, solutions, 400)

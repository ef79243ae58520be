"""The bench compares like with like, and says where the time goes."""

import json

import pytest

from course_utils.bench import grade as bench
from course_utils.checks.framework import load_exercise
from course_utils.grading.gradebook import release
from course_utils.grading.run.batch import Submission, notebook_of
from course_utils.grading.run.reading import read_submission


def test_submissions_are_of_the_kinds_asked_for(tmp_path):
    group = bench.make_class(tmp_path, bench.TRAINING, dict.fromkeys(bench.CLASS_OF_TWENTY, 1))
    answered = {}
    for folder in group.submitted.iterdir():
        cells = read_submission(
            notebook_of(Submission(folder.name, load_exercise(group.name), folder / group.name))
        )
        answers = [cell for cell in cells if cell.grade_id in bench.ANSWERED["all answered"]]
        answered[folder.name] = {
            cell.grade_id for cell in answers if "NotImplementedError()" not in cell.source
        }
    assert answered == {
        f"{kind.replace(' ', '_')}_0": set(bench.ANSWERED[kind]) for kind in bench.CLASS_OF_TWENTY
    }
    assert sum(bench.CLASS_OF_TWENTY.values()) == 20


def test_the_assignment_that_computes_can_be_released(tmp_path):
    group = bench.make_class(tmp_path, bench.COMPUTING, {"answered": 1})
    release.build(group.solutions, tmp_path / "out", [bench.COMPUTING])
    notebook = json.loads((tmp_path / "out" / bench.COMPUTING / f"{bench.COMPUTING}.ipynb").read_text())
    assert "NotImplementedError" in json.dumps(notebook)
    assert load_exercise(bench.COMPUTING).points == 4


def test_the_class_is_weighed_by_its_kinds():
    each = {"seconds": 11.0, "cells": 10.0, "own": 1.2}
    by_kind = {
        "trained": each | {"learner": 8.0, "processor_seconds": 10.0, "plain_processor_seconds": 20.0},
        "not": each | {"learner": 0.0, "processor_seconds": 1.0, "plain_processor_seconds": 10.0},
    }
    found = bench._in_all(by_kind, {"trained": 3, "not": 1})
    assert found["ratio"] == pytest.approx((60 + 10) / (30 + 1))
    assert found["overhead"] == pytest.approx((3 + 1) * 1.2 / 24)
    assert found["learners_share"] == pytest.approx(24 / 31)
    assert found["ratio_without_learners_cells"] == pytest.approx((70 - 24) / (31 - 24))


def test_a_program_is_timed_with_its_children(tmp_path):
    burn = "sum(i * i for i in range(4_000_000))"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{burn}'])"
    alone = bench._timed([bench.sys.executable, "-c", "pass"], tmp_path)
    cost = bench._timed([bench.sys.executable, "-c", code], tmp_path)
    assert cost.processor > 2 * alone.processor
    with pytest.raises(RuntimeError, match="said this"):
        bench._timed([bench.sys.executable, "-c", "raise SystemExit('said this')"], tmp_path)
    bench._timed([bench.sys.executable, "-c", "raise SystemExit(1)"], tmp_path, failing=True)


@pytest.mark.slow
def test_a_class_that_computes_is_graded_whole(tmp_path):
    found = bench.many(4, 1, tmp_path)
    assert found["ungraded"] == 0, (tmp_path / "said.txt").read_text()
    assert found["submissions"] == 4
    assert found["processor_seconds_per_submission"] < bench.SECONDS  # 0.1 was measured
    marks = (tmp_path / "ours" / "grades.csv").read_text().splitlines()[1:]
    assert all(",4,4," in line for line in marks)


@pytest.mark.exhaustive
def test_the_comparison(tmp_path):
    found = bench.compare(
        bench.TRAINING, {"nothing": 1, "half of it": 1}, {"nothing": 1, "half of it": 1}, tmp_path
    )
    assert found["ungraded"] == 0
    assert found["ratio"] > 1.5  # 3 was measured; without trainings
    assert "half of it" in found["by_kind"]

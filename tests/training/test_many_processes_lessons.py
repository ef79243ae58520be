"""Chapter 27's files: what is drawn where, and a script that goes on from where it was."""

import importlib
import json
import sys

import pytest

from course_utils.training.guarded import run_guarded

FOLDER = "lessons/27_many_processes"


@pytest.fixture
def pictures(root, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(root / FOLDER)
    yield importlib.import_module("pictures")
    del sys.modules["pictures"]


def test_each_step_is_a_grid_with_its_counts(pictures):
    made = pictures.pieces_over_steps([[[1, 1], [1, 1]], [[2, 1], [1, 2]]], "two ranks")
    first, second = made.axes
    assert [axes.get_title() for axes in (first, second)] == ["start", "step 1"]
    assert [text.get_text() for text in second.texts] == ["2", "1", "1", "2"]
    assert [text.get_text() for text in first.get_yticklabels()] == ["rank 0", "rank 1"]


def test_a_line_and_its_points_go_together_on_axes_that_grow_by_factors(pictures):
    lines, points = {"ring": [(1, 10), (100, 1000)]}, {"ring": [(10, 90)], "alone": [(20, 30)]}
    made = pictures.logarithmic(lines, points, "", "bytes", "ms")
    (axes,) = made.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert [text.get_text() for text in made.legends[0].get_texts()] == ["ring", "ring, measured", "alone"]
    assert [len(line.get_xdata()) for line in axes.lines] == [2, 1, 1]


def test_boxes_stand_where_they_begin_and_end(pictures):
    plans = {"computing": [("1", 0, 2), ("2", 2, 3)], "sending": [("1", 2, 6)]}
    (axes,) = pictures.lanes(plans, "", "seconds").axes
    assert [(box.get_x(), box.get_width()) for box in axes.patches] == [(0, 2), (2, 1), (2, 4)]
    assert [text.get_text() for text in axes.texts] == ["1", "2", "1"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["computing", "sending"]


@pytest.mark.slow
def test_what_is_launched_goes_on_from_what_is_saved(root, tmp_path):
    """One rank, without a launcher but with its variables, killed in its first life."""
    job = [sys.executable, str(root / FOLDER / "launched.py"), "train", "--folder", str(tmp_path)]
    alone = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    code, said = run_guarded([*job, "--kill", "0@6"], environment=alone)
    assert code and "begins after step 0" in said
    assert json.loads((tmp_path / "checkpoint.json").read_text()) == {"step": 4, "total": 4.0}
    code, said = run_guarded(job, environment=alone | {"TORCHELASTIC_RESTART_COUNT": "1"})
    assert (code, said.splitlines()[-1]) == (0, "life 1, rank 0: 8 steps, total 8")

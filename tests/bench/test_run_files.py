"""What measured runs have in common."""

import pytest

from course_utils.bench import run_files
from course_utils.measure.scores import Score


def test_pooled_covers_every_seed():
    found = run_files.pooled([Score(0.2, 0.1, 0.3, 10), Score(0.4, 0.35, 0.5, 10)])
    assert (found.value, found.low, found.high, found.n) == (pytest.approx(0.3), 0.1, 0.5, 10)
    with pytest.raises(ValueError, match="No score"):
        run_files.pooled([])
    with pytest.raises(ValueError, match="the same rows"):
        run_files.pooled([Score(0.2, 0.1, 0.3, 10), Score(0.4, 0.35, 0.5, 20)])


def test_what_is_written_is_read(tmp_path):
    data = {"a": [1, 0.5], "b": "é"}
    assert run_files.read(run_files.write(data, tmp_path / "new" / "run.json")) == data


def test_kept_scores_have_no_rows():
    data = {"stops": ({"score": {"value": 1 / 3, "values": (0.0, 1.0)}},), "name": "a"}
    assert run_files.without_values(data) == {"stops": [{"score": {"value": 0.333333}}], "name": "a"}


def test_a_run_says_what_it_was_made_with():
    import peft
    import torch

    found = run_files.versions("peft")
    assert found["peft"] == peft.__version__ and found["torch"] == torch.__version__ and found["threads"] >= 1
    assert "peft" not in run_files.versions()

"""Chapter 22's file: stages of sharding on two processes, which are ended however it goes."""

import importlib
import json
import multiprocessing
import sys

import pytest
import torch

FOLDER = "lessons/22_memory"
SETTINGS = {"widths": [8, 5, 4], "rows": 8, "steps": 2}


@pytest.fixture
def sharded(root, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(root / FOLDER)
    yield importlib.import_module("sharded")
    del sys.modules["sharded"]


def test_one_process_counts_what_its_tensors_have(sharded):
    found, weights = sharded.train(sharded.SETTINGS | SETTINGS, stage=0, rank=0, world=1)
    count = 8 * 5 + 5 + 5 * 4 + 4
    assert sum(weight.numel() for weight in weights) == count
    assert (found["weights"], found["gradients"], found["state"]) == (4 * count, 4 * count, 8 * count)
    assert found["weights after forward"] == 4 * count
    assert found["calls"] == {}


@pytest.mark.slow
def test_the_shares_of_each_stage_add_up_and_the_weights_are_those_of_one_process(sharded, tmp_path):
    _, alone = sharded.train(sharded.SETTINGS | SETTINGS, stage=0, rank=0, world=1)
    ranks = sharded.start(tmp_path, SETTINGS, stages=[0, 1, 2, 3])
    whole = 4 * sum(weight.numel() for weight in alone)
    for stage, parts in {"0": (2, 2, 2), "1": (2, 2, 1), "2": (1, 1, 1), "3": (1, 1, 1)}.items():
        names = ("weights", "gradients", "state")
        sums = [sum(each[stage][name] for each in ranks) for name in names]
        assert sums == [part * size for part, size in zip(parts, (whole, whole, 2 * whole), strict=True)]
        weights = torch.load(tmp_path / f"weights-{stage}.pt")
        torch.testing.assert_close(weights, alone, atol=1e-4, rtol=0)
    assert [each["2"]["weights after forward"] for each in ranks] == [whole, whole]
    assert sum(each["3"]["weights after forward"] for each in ranks) == whole
    assert json.loads((tmp_path / "rank-1.json").read_text())["3"]["calls"]["_allgather_base_"] == 4


@pytest.mark.slow
def test_a_rank_that_fails_ends_all_of_them(sharded, tmp_path):
    before = set(multiprocessing.active_children())
    with pytest.raises(RuntimeError, match="Rank . failed"):
        sharded.start(tmp_path, SETTINGS | {"rate": "fast"}, stages=[0])
    assert set(multiprocessing.active_children()) <= before

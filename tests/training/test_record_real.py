"""Lesson 10/07's own measures, and the rates that it takes from its recorded runs."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

FOLDER = Path(__file__).resolve().parents[2] / "lessons/10_lora_and_peft"


@pytest.fixture(scope="module")
def record_real():
    spec = importlib.util.spec_from_file_location("record_real", FOLDER / "record_real.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_order_of_the_others_is_spearmans(record_real):
    generator = np.random.default_rng(0)
    before = generator.normal(size=(12, 5))
    after = before + generator.normal(size=(12, 5))
    tables = []
    for found in (before, after):
        unit = found / np.linalg.norm(found, axis=1, keepdims=True)
        tables.append(unit @ unit.T)
    others = ~np.eye(12, dtype=bool)
    wanted = [spearmanr(*(table[row][others[row]] for table in tables)).statistic for row in range(12)]
    found = record_real.rank_correlations(torch.tensor(before), torch.tensor(after))
    assert found == pytest.approx(wanted)


def test_the_nearest_is_another_sentence(record_real):
    vectors = torch.tensor([[3.0, 0.0], [1.0, 0.1], [0.0, 2.0], [0.2, 1.0]])
    rows = [{"source": source} for source in "aabc"]
    assert record_real.same_article(vectors, rows) == [True, True, False, False]


def test_each_method_has_the_rate_with_the_most_right_and_of_equals_the_lower(record_real):
    tuned = [("LoRA", 0.01, "110"), ("LoRA", 0.001, "011"), ("full", 0.1, "111"), ("full", 0.2, "110")]
    runs = [{"method": method, "rate": rate, "right": right} for method, rate, right in tuned]
    assert record_real.best_rates(runs) == {"LoRA": 0.001, "full": 0.1}


def test_the_record_is_whole(record_real):
    found = json.loads((FOLDER / "real_runs.json").read_text(encoding="utf-8"))
    best = record_real.best_rates(found["tuned"])
    assert {(run["method"], run["rate"]) for run in found["tuned"]} == {
        (method, rate) for method, rates in record_real.RATES.items() for rate in rates
    }
    assert [(run["method"], run["rate"], run["seed"]) for run in found["runs"]] == [
        (method, rate, seed) for seed in record_real.SEEDS for method, rate in best.items()
    ]
    assert {len(run["right"]) for run in found["runs"]} == {len(found["frozen"]["test"])}

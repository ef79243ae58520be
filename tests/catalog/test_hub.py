"""The hub profile without a network: the client finds the pinned revision in its cache, the rest is as ever."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from course_utils.catalog import DATASETS, MODELS, dataset_path, model_path
from tests.catalog import hub_cache
from tests.datasets.contract import put
from tests.datasets.test_reviews import HUB_FILES as REVIEWS


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty Hub cache that the client takes for its own, and an empty course cache; nothing can be downloaded."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "course"))
    return tmp_path / "hub"


def test_the_mapping_is_done_once(cache, monkeypatch):
    put(cache, DATASETS["reviews"], REVIEWS)
    first = dataset_path("reviews", "hub")
    monkeypatch.setattr("course_utils.datasets.from_hub.write", lambda *_: pytest.fail("mapped again"))
    assert dataset_path("reviews", "hub") == first
    assert DATASETS["reviews"].revision[:12] in first
    card = Path(first, "README.md").read_text()
    assert DATASETS["reviews"].hub_id in card
    assert DATASETS["reviews"].revision in card


def test_another_revision_in_the_cache_is_not_taken(cache):
    from dataclasses import replace

    put(cache, replace(DATASETS["reviews"], revision="0" * 40), REVIEWS)
    with pytest.raises(ConnectionError, match=DATASETS["reviews"].revision[:12]):
        dataset_path("reviews", "hub")


@pytest.mark.parametrize(("find", "name"), [(model_path, "flan-t5"), (dataset_path, "topics")])
def test_without_cache_and_network_the_learner_is_told_what_to_do(find, name, cache):
    with pytest.raises(ConnectionError, match=rf"'{name}' .*MB.*setup\(profile='offline'\)"):
        find(name, "hub")


def test_nothing_is_said_to_be_downloaded_when_it_cannot_be(cache, capsys):
    with pytest.raises(ConnectionError):
        model_path("gpt2", "hub")
    assert capsys.readouterr().out == ""


def test_a_download_that_lacks_a_file_is_named(cache):
    put(cache, DATASETS["reviews"], REVIEWS)
    for file in cache.rglob("test.parquet"):
        file.unlink()
    with pytest.raises(FileNotFoundError, match=r"No test\.parquet in .*cut off"):
        dataset_path("reviews", "hub")


def test_a_fresh_set_cannot_be_drawn_from_the_hub():
    with pytest.raises(ValueError, match=r"hub profile.*setup\(profile='offline'\)"):
        dataset_path("reviews", "hub", seed=5)


# Models at real size: the learner's own lines, in a process of their own, with the client found in HF_HOME

LEARNER = """
import json, torch
from transformers import {auto}, AutoTokenizer
from course_utils import setup

course = setup(profile="hub", device="cpu")
path = course.model("{name}")
tokenizer = AutoTokenizer.from_pretrained(path)
model = {auto}.from_pretrained(path, dtype=torch.float32)
batch = tokenizer(["the ferry leaves at nine", "the shop shuts"], padding=True, return_tensors="pt")
{work}
print(json.dumps({{
    "path": path,
    "parameters": sum(parameter.numel() for parameter in model.parameters()),
    "unknown": int((batch["input_ids"] == tokenizer.unk_token_id).sum()),
    "before": before,
    "after": after,
}}))
"""
TRAIN = """
model.train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
losses = []
for _ in range(3):
    loss = model(**batch, labels=batch["input_ids"]).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    losses.append(loss.item())
before, after = losses[0], losses[-1]
"""


def learn(name, auto, work, home):
    environment = os.environ | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    del environment["COURSE_PROFILE"]
    code = LEARNER.format(name=name, auto=auto, work=work)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "put", "auto"),
    [
        ("flan-t5", hub_cache.put_flan_t5, "AutoModelForSeq2SeqLM"),
        ("distilbert", hub_cache.put_distilbert, "AutoModelForMaskedLM"),
    ],
)
def test_a_model_of_real_size_is_found_loaded_and_trained(name, put, auto, tmp_path):
    put(tmp_path / "hub", MODELS[name])
    seen = learn(name, auto, TRAIN, tmp_path)
    assert seen["path"] == str(next((tmp_path / "hub").glob(f"models--*/snapshots/{MODELS[name].revision}")))
    assert seen["parameters"] == MODELS[name].parameters
    assert seen["unknown"] == 0
    assert seen["after"] < seen["before"]

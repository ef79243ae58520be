"""The hub profile without a network: the client finds the pinned revision in its cache, the rest is as ever."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow
import pytest

from course_utils.catalog import DATASETS, MODELS, dataset_path, hub, model_path
from tests.catalog import hub_cache


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty Hub cache that the client takes for its own, and an empty course cache; nothing can be downloaded."""
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "course"))
    return tmp_path / "hub"


def load(name, tmp_path):
    import datasets

    return datasets.load_dataset(dataset_path(name, "hub"), cache_dir=str(tmp_path / "datasets"))


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_comes_out_with_the_courses_splits_columns_and_types(name, cache, tmp_path):
    entry = DATASETS[name]
    hub_cache.put_dataset(cache, entry)
    loaded = load(name, tmp_path)
    assert set(loaded) == {"train", "validation", "test"}
    for split in loaded.values():
        assert tuple(split.column_names) == entry.columns
        assert dict(split.features) == {
            key: hub._feature(column) for key, column in entry.hub_columns.items()
        }
        assert split.num_rows > 0


def test_dialogues_keep_line_breaks_quotes_and_words_that_look_empty(cache, tmp_path):
    hub_cache.put_dataset(cache, DATASETS["dialogues"])
    loaded = load("dialogues", tmp_path)
    assert loaded["train"].num_rows == 20
    assert loaded["train"][0] == hub_cache.dialogue(0)
    assert loaded["train"][0]["summary"] == "null"


def test_entities_keep_their_meaning_when_they_are_renumbered(cache, tmp_path):
    hub_cache.put_dataset(cache, DATASETS["entities"])
    split = load("entities", tmp_path)["test"]
    names = split.features["ner_tags"].feature.names
    tags = [names[tag] for tag in split[2]["ner_tags"]]
    assert tags == ["B-PER", "I-PER", "O", "B-ORG", "I-ORG", "O", "B-LOC", "O", "B-MISC"]
    assert split[2]["tokens"] == hub_cache.TAGGED["tokens"]


def test_reviews_say_negative_and_positive(cache, tmp_path):
    hub_cache.put_dataset(cache, DATASETS["reviews"])
    split = load("reviews", tmp_path)["train"]
    assert [split.features["label"].int2str(split[row]["label"]) for row in (0, 1)] == [
        "negative",
        "positive",
    ]


def test_questions_for_validation_are_about_other_articles(cache, tmp_path):
    hub_cache.put_dataset(cache, DATASETS["questions"])
    loaded = load("questions", tmp_path)
    train, validation = (set(loaded[split]["title"]) for split in ("train", "validation"))
    assert not train & validation
    assert loaded["train"].num_rows + loaded["validation"].num_rows == 6000
    assert loaded["validation"].num_rows >= 5000
    assert loaded["test"][0]["id"] == "q6000"


def test_translations_are_carved_without_overlap(cache, tmp_path):
    hub_cache.put_dataset(cache, DATASETS["translations"])
    loaded = load("translations", tmp_path)
    rows = [row["en"] for split in loaded.values() for row in split]
    assert {name: split.num_rows for name, split in loaded.items()} == {
        "train": 100,
        "validation": 2000,
        "test": 2000,
    }
    assert len(set(rows)) == 4100
    assert loaded["train"][0]["fr"] == loaded["train"][0]["en"].replace("boat", "bateau")


def test_general_text_has_no_blank_lines(cache, tmp_path):
    hub_cache.put_dataset(cache, DATASETS["general-text"])
    assert load("general-text", tmp_path)["train"]["text"][:] == [" = Ferry = \n", " A ferry is a boat . \n"]


def test_the_mapping_is_done_once(cache, monkeypatch):
    hub_cache.put_dataset(cache, DATASETS["reviews"])
    first = dataset_path("reviews", "hub")
    monkeypatch.setattr("course_utils.catalog.paths.write_dataset", lambda *_: pytest.fail("mapped again"))
    assert dataset_path("reviews", "hub") == first
    assert DATASETS["reviews"].revision[:12] in first
    card = Path(first, "README.md").read_text()
    assert DATASETS["reviews"].hub_id in card
    assert DATASETS["reviews"].revision in card


def test_another_revision_in_the_cache_is_not_taken(cache):
    from dataclasses import replace

    hub_cache.put_dataset(cache, replace(DATASETS["reviews"], revision="0" * 40))
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
    entry = DATASETS["topics"]
    hub_cache.put_dataset(cache, entry)
    for file in cache.rglob("test-*.parquet"):
        file.unlink()
    with pytest.raises(FileNotFoundError, match=r"No data/test-\*.parquet in .*cut off"):
        dataset_path("topics", "hub")


def test_a_fresh_set_cannot_be_drawn_from_the_hub():
    with pytest.raises(ValueError, match=r"hub profile.*setup\(profile='offline'\)"):
        dataset_path("reviews", "hub", seed=5)


# Carving


def table(rows, groups=1):
    return pyarrow.table({"row": range(rows), "group": [row // groups for row in range(rows)]})


def test_carving_is_the_same_every_time_and_loses_nothing():
    stays, carved = hub.carve(table(100), 30)
    again = hub.carve(table(100), 30)[1]
    assert carved.equals(again)
    assert carved.num_rows == 30
    assert sorted(stays["row"].to_pylist() + carved["row"].to_pylist()) == list(range(100))
    assert stays["row"].to_pylist() == sorted(stays["row"].to_pylist())
    assert hub.carve(table(100), 30, seed=1)[1] != carved


def test_carving_apart_moves_whole_groups():
    stays, carved = hub.carve(table(100, groups=7), 30, apart="group")
    assert not set(stays["group"].to_pylist()) & set(carved["group"].to_pylist())
    assert 30 <= carved.num_rows < 37


@pytest.mark.parametrize("rows", [0, 100, 500])
def test_carving_leaves_something_on_both_sides(rows):
    with pytest.raises(ValueError, match="Can't carve"):
        hub.carve(table(100), rows)


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

"""A stand-in is what the catalog says of its repository, and the Hub's own client finds it at the pinned revision."""

import itertools
import json
import re
from pathlib import Path

import huggingface_hub
import pytest

from course_utils.catalog import DATASETS, MODELS
from course_utils.standins import budgets, datasets, models, rows, serving, shelf
from course_utils.standins.text import made_words

ROOT = Path(__file__).resolve().parents[2]
FEW = 30


@pytest.fixture
def few_rows(monkeypatch):
    """Each dataset writes its first rows alone."""
    made = dict(rows.ROWS)

    def first(name):
        return lambda: {split: itertools.islice(found, FEW) for split, found in made[name]().items()}

    monkeypatch.setattr(datasets, "ROWS", {name: first(name) for name in made})


def test_every_entry_of_the_hub_has_a_stand_in():
    assert set(models.BUILDS) <= set(MODELS)
    assert {"bert", "distilbert", "flan-t5", "gpt2"} <= set(models.BUILDS)
    assert set(datasets.FILES) == set(rows.ROWS) <= set(DATASETS)


@pytest.mark.parametrize("name", datasets.FILES)
def test_files_and_columns_are_those_that_the_catalog_reads(name, few_rows, tmp_path):
    from course_utils.datasets import from_hub

    entry = DATASETS[name]
    datasets.write(name, tmp_path)
    for files in entry.hub_files.values():
        table = entry.mapping(from_hub._read(tmp_path, files))
        assert set(entry.columns) <= set(table.column_names)
        assert table.select(entry.columns).num_rows


@pytest.mark.parametrize("name", ["topics", "entities"])
def test_labels_are_those_of_the_catalog(name):
    ours = DATASETS[name].features("hub")
    theirs = datasets.features(name)
    if name == "topics":
        assert theirs["label"].names == ours["label"].names
    else:
        assert sorted(theirs["ner_tags"].feature.names) == sorted(ours["ner_tags"].feature.names)


def test_an_answer_stands_where_it_is_said_to_be():
    for split, found in rows.questions().items():
        for row in itertools.islice(found, 200):
            answers = row["answers"]
            assert answers["text"]
            assert (len(answers["text"]) > 1) == (split == "validation")
            for text, start in zip(answers["text"], answers["answer_start"], strict=True):
                assert row["context"][start:].startswith(text)


def test_lengths_are_those_of_real_text():
    dialogues = [row["dialogue"] for row in itertools.islice(rows.dialogues()["train"], 200)]
    assert all(60 <= len(text.split()) <= 500 for text in dialogues)
    assert max(len(row["text"].split()) for row in itertools.islice(rows.reviews()["train"], 200)) <= 70


def test_reviews_come_in_the_order_of_their_labels():
    labels = [row["label"] for row in rows.reviews()["test"]]
    assert labels == sorted(labels, reverse=True)
    assert len(labels) == 1066


def test_made_words_differ_and_are_the_same_each_time():
    words = list(made_words(500))
    assert len(set(words)) == 500
    assert words == list(made_words(500))


def test_the_cell_cuts_the_hub_budget_alone(monkeypatch):
    from course_utils import session

    monkeypatch.setattr(session, "BUDGETS", dict(session.BUDGETS))
    offline = session.budget("offline", "cpu")
    exec(budgets.cell(), {})
    assert session.budget("hub", "cuda") == session.Budget(**budgets.CUT)
    assert session.budget("offline", "cpu") == offline


def test_the_client_finds_the_pinned_revision(tmp_path, monkeypatch):
    """With files that are quickly made in the place of the real shelf."""
    entry = MODELS["flan-t5"]

    def folder(name, shelf):
        place = shelf / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "config.json").write_text(json.dumps({"model_type": "t5"}))
        (place / "model.safetensors").write_bytes(b"\0" * 5000)
        return place

    monkeypatch.setattr(shelf, "model_folder", folder)
    with serving.serving(tmp_path, tmp_path / "shelf") as environment:
        found = huggingface_hub.snapshot_download(
            entry.hub_id,
            revision=entry.revision,
            endpoint=environment["HF_ENDPOINT"],
            cache_dir=tmp_path / "cache",
            allow_patterns=["config.json", "model.safetensors"],
            token=False,
        )
        api = huggingface_hub.HfApi(environment["HF_ENDPOINT"], token=False)
        assert Path(found).name == api.model_info(entry.hub_id).sha == entry.revision
        assert sorted(path.name for path in Path(found).iterdir()) == ["config.json", "model.safetensors"]
        assert environment["COURSE_PROFILE"] == "hub"
        assert "HF_HUB_OFFLINE" not in environment


def test_the_table_of_repositories_names_what_the_catalog_pins():
    text = (ROOT / "docs" / "hub-profile.md").read_text(encoding="utf-8")
    table = text.partition("<!-- repositories:begin -->")[2].partition("<!-- repositories:end -->")[0]
    said = re.findall(r"^\| ([\w-]+) \| `([^`]+)` at `([0-9a-f]{8})` \|", table, flags=re.MULTILINE)
    names = [*models.BUILDS, *datasets.FILES]
    entries = MODELS | DATASETS
    assert said == [(name, entries[name].hub_id, entries[name].revision[:8]) for name in names]


@pytest.mark.slow
@pytest.mark.parametrize("name", models.BUILDS)
def test_a_model_has_the_real_vocabulary_and_loads(name, tmp_path):
    import transformers

    entry = MODELS[name]
    folder = shelf.model_folder(name, tmp_path)
    assert set(entry.files) <= {path.name for path in folder.iterdir()}
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = getattr(transformers, entry.architecture).from_pretrained(folder)
    expected = {"bert": 30_522, "distilbert": 30_522, "flan-t5": 32_100, "gpt2": 50_257}
    assert len(tokenizer) == expected[name] <= model.get_input_embeddings().num_embeddings
    words = "The ferry to the island leaves at nine."
    assert (
        tokenizer.decode(tokenizer(words)["input_ids"], skip_special_tokens=True)
        .lower()
        .startswith("the ferry")
    )

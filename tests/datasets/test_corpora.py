"""Datasets of the world load like their Hub twins, and are the same each time."""

import hashlib
import shutil
from pathlib import Path

import pytest
from datasets import load_dataset

from course_utils import datasets, instructions, world
from course_utils.datasets import corpora


def test_two_seeds_never_share_what_load_dataset_keeps(tmp_path, monkeypatch):
    monkeypatch.setattr(corpora, "ROWS", {"train": 20, "validation": 5, "test": 5})
    texts = [
        load_dataset(str(corpora.write("reviews", tmp_path / str(seed) / "reviews", seed=seed)))["test"][
            "text"
        ][:]
        for seed in (1, 2)
    ]
    assert set(texts[0]).isdisjoint(texts[1])


def test_writing_twice_gives_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(corpora, "ROWS", {"train": 20, "validation": 5, "test": 5})
    digests = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        files = sorted(path for path in corpora.write("reviews", folder).rglob("*") if path.is_file())
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in files])
    assert digests[0] == digests[1] and len(digests[0]) == 4


def test_an_unknown_dataset_is_refused_with_the_choices(tmp_path):
    with pytest.raises(ValueError, match="dialogues"):
        corpora.write("poems", tmp_path)


def test_pre_training_reads_another_world_than_learners_do():
    shipped = {row["text"] for row in world.records("reviews", corpora.PUBLIC_SEED, 2000)}
    read = {prompt.split("? ", 1)[1] for prompt, _ in corpora.pairs("sentiment", 2000)}
    assert len(shipped & read) < 20


def test_pairs_are_instructions_with_their_answers():
    [(prompt, target)] = corpora.pairs("translation", 1, seed=4)
    row = world.record("translations", 4, 0)
    assert (prompt, target) == (f"Translate to French: {row['en']}", row["fr"])
    assert prompt == instructions.prompt("translation", row)


@pytest.mark.parametrize("package", [world, datasets])
def test_an_edition_names_the_version_and_changes_with_every_source(package, tmp_path, monkeypatch):
    """A dataset's own file counts as much as the grammar."""
    for file in Path(package.__path__[0]).glob("*.py"):
        shutil.copy(file, tmp_path)
    before = corpora.edition()
    assert before.startswith(f"{world.VERSION}-")
    monkeypatch.setattr(package, "__path__", [str(tmp_path)])
    assert corpora.edition() == before
    with (tmp_path / "reviews.py").open("a") as file:
        file.write("# another word\n")
    assert corpora.edition() != before


def test_records_of_an_unknown_dataset_are_refused_with_the_choices():
    with pytest.raises(ValueError, match="reviews"):
        corpora.records("poems", 1, 1)

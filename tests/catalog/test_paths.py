"""From names to paths: the offline twins, and a cache that is never half full."""

import threading
from pathlib import Path

import pytest

from course_utils.catalog import METRICS, dataset_path, metric_path, model_path, paths


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "course"))
    return tmp_path / "course"


@pytest.fixture
def small_world(monkeypatch):
    """The offline world with few rows, so that writing is quick."""
    from course_utils.datasets import corpora

    monkeypatch.setattr(corpora, "ROWS", {"train": 20, "validation": 5, "test": 5})
    return corpora


def test_an_offline_model_is_its_asset_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ASSETS", tmp_path)
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text("{}")
    assert model_path("bert", "offline") == str(tmp_path / "bert")


def test_a_model_that_is_not_built_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ASSETS", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"'gpt2' is not in .*course build models"):
        model_path("gpt2", "offline")


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_a_folder_with_a_module_of_its_name(name):
    assert Path(metric_path(name), f"{name}.py").is_file()


def test_an_offline_dataset_loads_by_its_path(cache, small_world, tmp_path):
    import datasets

    loaded = datasets.load_dataset(dataset_path("reviews", "offline"), cache_dir=str(tmp_path / "datasets"))
    assert {name: split.num_rows for name, split in loaded.items()} == small_world.ROWS
    assert loaded["train"].features["label"].names == ["negative", "positive"]


def test_an_offline_dataset_is_written_once_and_kept_by_seed_and_version(cache, small_world, monkeypatch):
    from course_utils import world

    public = dataset_path("reviews", "offline")
    assert dataset_path("reviews", "offline", seed=small_world.PUBLIC_SEED) == public
    fresh = dataset_path("reviews", "offline", seed=5)
    texts = [Path(folder, "data", "test-00000-of-00001.parquet").read_bytes() for folder in (public, fresh)]
    assert texts[0] != texts[1]
    with monkeypatch.context() as patch:
        patch.setattr(small_world, "write", lambda *args, **kwargs: pytest.fail("written again"))
        assert dataset_path("reviews", "offline") == public
    monkeypatch.setattr(world, "VERSION", "next")
    assert dataset_path("reviews", "offline") != public


def test_what_is_cut_off_leaves_nothing_behind(cache):
    def cut_off(scratch):
        (scratch / "train.parquet").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        paths.kept(cache / "reviews", cut_off)
    assert list(cache.iterdir()) == []


def test_two_that_write_at_once_end_with_one_whole_folder(cache):
    both_are_writing = threading.Barrier(2)

    def write(scratch):
        (scratch / "train.parquet").write_text("whole")
        both_are_writing.wait(60)

    found = []
    writers = [
        threading.Thread(target=lambda: found.append(paths.kept(cache / "topics", write))) for _ in "ab"
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert found == [cache / "topics"] * 2
    assert [file.name for file in cache.iterdir()] == ["topics"]
    assert (cache / "topics" / "train.parquet").read_text() == "whole"
    assert (cache / "topics").stat().st_mode & 0o777 == 0o755


def test_a_cache_that_cannot_be_written_names_the_variable(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file" / "inside"))
    with pytest.raises(OSError, match="Set COURSE_CACHE to a folder"):
        dataset_path("reviews", "offline")


def test_the_cache_is_in_the_home_folder_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("COURSE_CACHE")
    assert paths.cache_folder() == Path.home() / ".cache" / "course-workbook"

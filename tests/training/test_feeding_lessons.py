"""Chapter 23's files: rows that wait, a store that counts, caches that others may find half-way, timed batches."""

import importlib
import json
import multiprocessing
import sys
import threading

import fsspec
import pytest
import torch
from torch.utils.data import DataLoader

FOLDER = "lessons/23_feeding_the_model"


@pytest.fixture
def lesson_file(root, monkeypatch):
    """Imports a file that lies beside the lessons, and forgets it afterwards."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(root / FOLDER)
    imported = []

    def bring(name):
        imported.append(name)
        return importlib.import_module(name)

    yield bring
    for name in imported:
        del sys.modules[name]


@pytest.fixture
def far_away(lesson_file):
    return lesson_file("far_away")


@pytest.fixture
def near():
    store = fsspec.filesystem("memory")
    store.pipe_file("/feeding/a", b"0123456789")
    store.pipe_file("/feeding/b", b"abcdefghij")
    yield store
    store.rm("/feeding", recursive=True)


def test_slow_rows_depend_on_their_number_alone(lesson_file):
    rows = lesson_file("slow_rows").SlowRows(4, [0.0, 0.0, 0.01, 0.0])
    assert all(torch.equal(rows[2][name], rows[2][name]) for name in ("number", "x", "y"))
    assert not torch.equal(rows[1]["x"], rows[2]["x"])
    begun, ended = rows[2]["span"].tolist()
    assert ended - begun >= 0.01


def test_remembered_rows_are_read_once(lesson_file):
    rows = lesson_file("slow_rows").RememberedRows(4, 0.0)
    assert [bool(rows[number]["read"]) for number in (1, 2, 1, 2)] == [True, True, False, False]


def test_noise_by_number_knows_seed_epoch_and_number(lesson_file):
    noisy = lesson_file("slow_rows").NoisyRows
    rows, again, other = noisy(4, "number"), noisy(4, "number"), noisy(4, "number", seed=1)
    first = [float(rows[number]["noise"]) for number in range(4)]
    assert first == [float(again[number]["noise"]) for number in range(4)]
    assert len({*first, *(float(other[number]["noise"]) for number in range(4))}) == 8
    rows.set_epoch(1)
    assert first != [float(rows[number]["noise"]) for number in range(4)]


def test_workers_take_their_part_of_a_stream(lesson_file):
    stream = lesson_file("slow_rows").RowStream
    before = set(multiprocessing.active_children())
    for shared, times in ((True, 1), (False, 2)):
        loader = DataLoader(stream(4, shared), batch_size=None, num_workers=2)
        assert sorted(int(row["number"]) for row in loader) == sorted(list(range(4)) * times)
    assert set(multiprocessing.active_children()) <= before


def test_the_far_store_counts_requests_and_bytes(far_away, near):
    far = far_away.FarAway(near, latency=0.0)
    assert far.cat_file("/feeding/a", 2, 5) == b"234"
    assert (far.counts.reads, far.counts.asked, far.counts.bytes) == (1, 0, 3)
    far.forget_counts()
    assert far.open("/feeding/b").read() == b"abcdefghij"
    assert (far.counts.reads, far.counts.asked, far.counts.bytes) == (1, 1, 10)
    with pytest.raises(FileNotFoundError):
        far.cat_file("/feeding/c")
    assert far.counts.open == 0


def test_two_requests_at_a_time_are_seen_as_two(far_away, near):
    far = far_away.FarAway(near, latency=0.05)
    both = [threading.Thread(target=far.cat_file, args=(f"/feeding/{name}",)) for name in "ab"]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert (far.counts.most, far.counts.open) == (2, 0)


def test_both_caches_read_once_and_the_folder_knows_versions(far_away, near, tmp_path):
    far = far_away.FarAway(near, latency=0.0)
    caches = far_away.InMemory(far), far_away.OnDisk(far, tmp_path)
    for cache in caches:
        far.forget_counts()
        assert {cache.cat_file("/feeding/a") for _ in range(3)} == {b"0123456789"}
        assert far.counts.reads == 1
    near.pipe_file("/feeding/a", b"new")
    assert far_away.OnDisk(far, tmp_path).cat_file("/feeding/a") == b"0123456789"
    assert far_away.OnDisk(far, tmp_path, version="2").cat_file("/feeding/a") == b"new"


def test_a_cached_file_is_whole_or_not_there(far_away, tmp_path, monkeypatch):
    class Store:
        def cat_file(self, path):
            return b"whole"

    seen = []
    replace = far_away.os.replace

    def watched(source, target):
        seen.append(target.exists())
        replace(source, target)

    monkeypatch.setattr(far_away.os, "replace", watched)
    cache = far_away.OnDisk(Store(), tmp_path)
    assert (cache.cat_file("a"), seen) == (b"whole", [False])
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"whole"]


def test_far_rows_say_how_many_reads_they_took(far_away, tmp_path):
    paths = [str(tmp_path / f"{number}.json") for number in range(2)]
    for path in paths:
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"dialogue": "Hello"}, file)
    far = far_away.FarAway(fsspec.filesystem("file"), latency=0.0)
    rows = far_away.FarRows(paths, far, far_away.InMemory(far))
    assert [int(rows[number]["reads"]) for number in (0, 1, 0)] == [1, 1, 0]
    assert int(rows[1]["length"]) == 5


def test_a_timed_batch_is_as_long_as_its_longest_row(lesson_file):
    pipeline = lesson_file("pipeline")
    rows = [pipeline.Decoded([5, 6, 1], [7, 1], 0.5), pipeline.Decoded([8, 1], [9, 9, 1], 0.25)]
    batch = pipeline.collate(rows)
    assert batch.tensors["input_ids"].tolist() == [[5, 6, 1], [8, 1, 0]]
    assert batch.tensors["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch.tensors["labels"].tolist() == [[7, 1, -100], [9, 9, 1]]
    assert (batch.decode, batch.collate > 0) == (0.75, True)

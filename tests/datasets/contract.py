"""What holds for every dataset. A dataset's own tests begin with a subclass that states what is its own."""

import csv
import hashlib
import io
import json
import re
import time
from pathlib import Path

import pyarrow.parquet
import pytest

from course_utils.catalog import DATASETS, dataset_path
from course_utils.datasets import corpora
from course_utils.world import SPLITS, RecordDraw

SMALL = {"train": 30, "validation": 10, "test": 20}


def fingerprint(dataset):
    """Of the first 50 records of each split, seed 2026."""
    rows = [
        dataset.record(RecordDraw(split, dataset.name, 2026, index))
        for split in SPLITS
        for index in range(50)
    ]
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:16]


def text_of(row):
    return json.dumps({name: value for name, value in row.items() if name != "id"}, sort_keys=True)


def csv_text(rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def put(hub, dataset, files):
    """`files` (path -> text, or rows of a parquet file) as the dataset's snapshot in the Hub's cache folder `hub`."""
    folder = Path(hub, f"datasets--{dataset.hub_id.replace('/', '--')}", "snapshots", dataset.revision)
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            file.write_text(content)
        else:
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(content), file)
    return folder


class DatasetContract:
    """A subclass sets these; its tests of its own stand beside it.

    name: in the catalog.
    fingerprint: of the offline records. A change means that every exercise and every twin read other text before: raise
        `world.VERSION`, and make the twins again where they have read it.
    hub_files: a few rows under the real repository's file names and columns, made up, for :func:`put`.
    """

    name: str
    fingerprint: str
    hub_files: dict

    @pytest.fixture
    def dataset(self):
        return DATASETS[self.name]

    @pytest.fixture
    def from_hub(self, dataset, hub_folder, tmp_path):
        """The dataset as a learner of the hub profile loads it."""
        import datasets

        put(hub_folder, dataset, self.hub_files)
        return datasets.load_dataset(
            dataset_path(self.name, "hub"), cache_dir=str(tmp_path / "loaded datasets")
        )

    def test_it_is_pinned_and_has_a_licence(self, dataset):
        assert re.fullmatch(r"[0-9a-f]{40}", dataset.revision)
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", dataset.hub_id)
        assert dataset.licence and dataset.megabytes > 0 and dataset.description.endswith(".")

    def test_each_split_comes_once(self, dataset):
        assert {*dataset.hub_files, *dataset.carved} == set(SPLITS)
        assert not {*dataset.hub_files} & {*dataset.carved}
        assert dataset.apart is None or dataset.apart in dataset.columns

    def test_records_are_those_of_this_version(self, dataset):
        assert fingerprint(dataset) == self.fingerprint

    def test_another_seed_shares_almost_no_text(self, dataset):
        texts = lambda seed: [  # noqa: E731
            text_of(row) for split, rows in corpora.ROWS.items() for row in dataset.records(seed, rows, split)
        ]
        shipped, secret = set(texts(corpora.PUBLIC_SEED)), texts(991)
        assert sum(text in shipped for text in secret) / len(secret) < 0.01

    def test_five_thousand_records_a_second(self, dataset):
        begun = time.process_time()
        for _ in dataset.records(4, 2000):
            pass
        assert 2000 / (time.process_time() - begun) > 5000

    def test_written_it_loads_with_its_columns(self, dataset, tmp_path, monkeypatch):
        from datasets import load_dataset

        monkeypatch.setattr(corpora, "ROWS", SMALL)
        loaded = load_dataset(str(corpora.write(self.name, tmp_path / self.name)))
        assert {split: frame.num_rows for split, frame in loaded.items()} == SMALL
        assert loaded["train"].features == dataset.features()
        assert loaded["test"].to_list() == corpora.frame(self.name, "test").to_list()
        card = (tmp_path / self.name / "README.md").read_text()
        assert dataset.description in card

    def test_from_the_hub_it_has_the_same_splits_columns_and_types(self, dataset, from_hub):
        assert set(from_hub) == set(SPLITS)
        offline = dataset.features()
        for split in from_hub.values():
            assert split.num_rows > 0
            assert split.column_names == list(dataset.columns)
            assert split.features == dataset.features("hub")
            assert [type(column) for column in split.features.values()] == [
                type(column) for column in offline.values()
            ]

    def test_a_row_becomes_a_prompt_and_an_answer(self, dataset):
        from course_utils import instructions

        [row] = dataset.records(1, 1)
        for instruction in dataset.instructions:
            task = instruction.task
            prompt, target = instructions.prompt(task, row), instructions.target(task, row)
            assert prompt and target and prompt != target
            assert "  " not in target
            assert instructions.dataset_of(task) == self.name
            assert list(corpora.pairs(task, 1, seed=1)) == [(prompt, target)]

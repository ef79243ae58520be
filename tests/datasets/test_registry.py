"""Every dataset has its tests, and those are the dataset's own file."""

from importlib import import_module
from pathlib import Path

import pytest

from course_utils.datasets.registry import DATASETS, instruction_of
from tests.datasets.contract import DatasetContract


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_has_a_test_file_that_keeps_the_contract(name):
    module = f"test_{name.replace('-', '_')}"
    assert (Path(__file__).parent / f"{module}.py").is_file()
    classes = vars(import_module(f"tests.datasets.{module}")).values()
    contracts = [each for each in classes if isinstance(each, type) and issubclass(each, DatasetContract)]
    assert name in [getattr(each, "name", None) for each in contracts]


def test_a_task_is_found_with_its_dataset():
    dataset, instruction = instruction_of("translation")
    assert dataset is DATASETS["translations"] and instruction in dataset.instructions

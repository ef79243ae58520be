"""Every model has its tests."""

from importlib import import_module
from pathlib import Path

import pytest

from course_utils.models.registry import MODELS
from tests.models.contract import ModelContract


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_a_test_file_that_keeps_the_contract(name):
    module = f"test_{name.replace('-', '_')}"
    assert (Path(__file__).parent / f"{module}.py").is_file()
    classes = vars(import_module(f"tests.models.{module}")).values()
    contracts = [each for each in classes if isinstance(each, type) and issubclass(each, ModelContract)]
    assert name in [getattr(each, "name", None) for each in contracts]

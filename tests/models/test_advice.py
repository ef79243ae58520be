"""Training advice: typed values, each with its source, for the twin and for the real model."""

import dataclasses

import pytest

from course_utils.catalog import MODELS
from course_utils.models.model import Advice

FIGURES = {
    "learning_rate": 1e-3,
    "lora_learning_rate": 1e-2,
    "batch_size": 8,
    "precision": "bf16",
    "longest_input": 64,
}
SOURCE = {name: f"who says {name}" for name in FIGURES}


def test_every_figure_needs_its_source():
    with pytest.raises(ValueError, match="not so for batch_size, rank"):
        Advice(**FIGURES, source={name.replace("batch_size", "rank"): why for name, why in SOURCE.items()})


def test_the_precision_is_one_that_there_is():
    with pytest.raises(ValueError, match="'fp8' is none of the precisions: bf16, float32"):
        Advice(**FIGURES | {"precision": "fp8"}, source=SOURCE)


def test_printed_it_is_one_line_a_figure_with_its_source():
    lines = str(Advice(**FIGURES, source=SOURCE)).splitlines()
    assert [line.split() for line in lines] == [
        [name, str(value), "who", "says", name] for name, value in FIGURES.items()
    ]


def test_float32_stays_what_it_is_on_every_device():
    advice = Advice(**FIGURES | {"precision": "float32"}, source=SOURCE)
    assert advice.on("cuda") is advice


def test_a_model_without_a_twin_gives_the_same_advice_in_both_profiles():
    real = dataclasses.replace(MODELS["bert"], twin_advice=None)
    assert real.advice_for("offline") == real.advice_for("hub") == MODELS["bert"].advice


def test_a_model_that_nobody_advises_on_says_so():
    silent = dataclasses.replace(MODELS["bert"], advice=None, twin_advice=None)
    with pytest.raises(ValueError, match="no training advice for 'bert' in the hub profile"):
        silent.advice_for("hub")

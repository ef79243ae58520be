"""What lessons ask for by name is there. What holds for every dataset and model is in their rooms' contracts."""

import re

import pytest

from course_utils import closure
from course_utils.catalog import DATASETS, METRICS, MODELS, entries


def test_the_catalog_has_the_names_that_lessons_use():
    assert {"flan-t5", "bert", "distilbert", "gpt2"} <= set(MODELS)
    assert {
        "dialogues", "reviews", "topics", "entities", "questions", "translations", "general-text"
    } <= set(DATASETS)  # fmt: skip
    assert {"accuracy", "f1", "exact_match", "rouge", "token_f1", "mae"} <= set(METRICS)


@pytest.mark.parametrize("entries", [MODELS, DATASETS, METRICS])
def test_entries_stand_in_the_order_of_their_names(entries):
    assert list(entries) == sorted(entries)
    assert all(entry.name == name for name, entry in entries.items())


def test_whoever_keeps_a_result_knows_that_it_depends_on_every_entrys_file():
    """`closure` reads imports in the sources, and entries are found by looking."""
    reached = closure.reached(["course_utils.catalog"])
    for room, found in (("datasets", DATASETS), ("models", MODELS)):
        files = {closure.PACKAGE / room / f"{name.replace('-', '_')}.py" for name in found}
        assert files <= reached


@pytest.mark.parametrize(
    ("find", "name", "message"),
    [
        (entries.model, "flan_t5", "no model 'flan_t5'. Did you mean 'flan-t5'"),
        (entries.dataset, "review", "Did you mean 'reviews'"),
        (entries.metric, "bleu", f"no metric 'bleu'. Its metrics are: {', '.join(entries.METRICS)}"),
        (entries.model, 5, "no model 5"),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(find, name, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        find(name)

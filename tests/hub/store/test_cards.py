"""Cards: what is read, what is refused, and the tags that searching goes by."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from course_utils.hub.store import cards

CARD = """---
license: mit
language: [en, fr]
datasets: course/dialogues
base_model: course/mini-flan-t5
pipeline_tag: summarization
library_name: transformers
tags: [course]
date: 2026-01-05
---
# Title
"""


def test_a_models_tags():
    card = cards.read(CARD)
    assert card.data["date"] == "2026-01-05" and card.text == "# Title"
    assert set(card.tags) == {
        "license:mit", "en", "fr", "dataset:course/dialogues", "base_model:course/mini-flan-t5", "summarization",
        "transformers", "course",
    }  # fmt: skip


def test_a_datasets_tags():
    card = cards.read("---\nlanguage: fr\ntask_categories: [summarization]\n---\n", "dataset")
    assert card.tags == ("language:fr", "task_categories:summarization")


def test_a_spaces_tags():
    assert cards.read("---\nsdk: gradio\n---\n", "space").tags == ("gradio",)


@pytest.mark.parametrize(
    "readme", ["", "# Only text", "--\nlicense: mit\n--\n", "---\nnever closed", "text\n---\na: 1\n---\n"]
)
def test_no_head(readme):
    card = cards.read(readme)
    assert card.data == {} and card.text == readme.strip("\n")
    assert cards.problems(readme) == ([], ["empty or missing yaml metadata in repo card"])


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ("license: [", "can't be read"),
        ("- a\n- b", "not a list of fields"),
        ("just words", "not a list of fields"),
        ("a: &x [1]\nb: *x", "anchors"),
        ("license: 3", '"license" must be a text'),
        ("datasets: {a: 1}", '"datasets" must be a text'),
        ("model-index: yes", '"model-index" must be a list'),
        ("a: !!python/object:os.system {}", "can't be read"),
    ],
)
def test_bad_heads(head, says):
    errors, _ = cards.problems(f"---\n{head}\n---\n")
    assert says in errors[0]
    cards.read(f"---\n{head}\n---\n")


def test_a_line_number_goes_with_the_complaint():
    assert "(line 3)" in cards.problems("---\nlicense: mit\na: b: c\n---\n")[0][0]


@given(some.text(max_size=200))
def test_any_text_is_a_card_of_some_kind(text):
    for readme in (text, f"---\n{text}\n---\n"):
        json.dumps(cards.read(readme).data, allow_nan=False)
        cards.problems(readme)


@pytest.mark.parametrize("before", ["\n", "\r\n\n", "\ufeff\n", "  \n"])
def test_a_head_after_blank_lines_is_a_head(before):
    card = cards.read(f"{before}---\nlicense: mit\n---\n# Title\n")
    assert card.data == {"license": "mit"} and card.text == "# Title"


@pytest.mark.parametrize(
    ("license", "good"), [("mit", True), ("other", True), ("nonsense", False), ("MIT", False)]
)
def test_a_license_is_one_that_the_hub_knows(license, good):
    for text in (f"license: {license}", f"license: [apache-2.0, {license}]"):
        errors, _ = cards.problems(f"---\n{text}\n---\n")
        assert errors == [] if good else "`other` with a `license_name`" in errors[0]

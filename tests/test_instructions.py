"""One wording for pre-training, lessons and checks."""

import pytest

from course_utils import instructions, world


@pytest.mark.parametrize("task", instructions.TASKS)
def test_a_row_becomes_a_prompt_and_an_answer(task):
    row = world.record(instructions.dataset_of(task), 1, 0)
    prompt, target = instructions.prompt(task, row), instructions.target(task, row)
    assert prompt and target and prompt != target
    assert "  " not in target


def test_answers_are_what_the_labels_say():
    assert instructions.target("sentiment", {"text": "", "label": 1}) == "positive"
    assert instructions.target("sentiment", {"text": "", "label": 0}) == "negative"
    tags = [world.ENTITY_TAGS.index(tag) for tag in ("B-PER", "I-PER", "O", "B-LOC")]
    assert (
        instructions.target("entities", {"tokens": ["Ada", "Ashby", "left", "Oakby"], "ner_tags": tags})
        == "person: Ada Ashby; place: Oakby"
    )
    assert instructions.target("entities", {"tokens": ["Rain"], "ner_tags": [0]}) == "none"


def test_the_twin_never_saw_a_summary():
    assert set(instructions.TASKS) - set(instructions.KNOWN_TASKS) == {"summary"}


def test_an_unknown_task_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="sentiment"):
        instructions.prompt("poetry", {})

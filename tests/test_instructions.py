"""One wording for pre-training, lessons and checks; what it is for each dataset is tested with the dataset."""

import pytest

from course_utils import instructions


def test_the_twin_never_saw_a_summary():
    assert instructions.KNOWN_TASKS == ("sentiment", "questions", "entities", "translation")
    assert set(instructions.TASKS) - set(instructions.KNOWN_TASKS) == {"summary"}


def test_an_unknown_task_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="sentiment"):
        instructions.prompt("poetry", {})

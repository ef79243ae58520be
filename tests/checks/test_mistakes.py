"""What names the mistake behind a wrong answer, and draws until each can be told from the right one."""

import itertools

import pytest

from course_utils.checks import mistakes
from course_utils.checks.report import Failed


def test_a_case_is_drawn_until_no_mistake_gives_the_right_answer():
    cases = itertools.count()
    found = mistakes.telling(lambda: next(cases), lambda case: {"": case * case, "doubling": 2 * case})
    assert found == 1  # 0 has the square 0, which doubling gives as well
    with pytest.raises(AssertionError, match="no draw tells doubling"):
        mistakes.telling(lambda: 2, lambda case: {"": case * case, "doubling": 2 * case})


@pytest.mark.parametrize(
    ("judge", "right", "wrong"),
    [
        (mistakes.near, 9, 6),
        (mistakes.numbers, [9, 16], [6, 8]),
        (mistakes.table, {"three": 9}, {"three": 6}),
    ],
)
def test_a_wrong_answer_is_told_its_mistake(judge, right, wrong):
    answers = {"": right, "doubling": wrong}
    judge(right, answers, "the square")
    with pytest.raises(Failed) as failed:
        judge(wrong, answers, "the square")
    assert failed.value.got.endswith("that comes of doubling")


def test_other_forms_of_the_same_numbers_pass():
    import torch

    for found in ((9, 16), torch.tensor([9, 16]), [9.0, 16.0]):
        mistakes.numbers(found, {"": [9, 16]}, "the squares")
    with pytest.raises(Failed, match="without 'four'"):
        mistakes.table({"three": 9}, {"": {"three": 9, "four": 16}}, "the squares")
    with pytest.raises(Failed):
        mistakes.near(1_000_001, {"": 1_000_000}, "bytes, which are exact")

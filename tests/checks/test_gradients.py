"""The gradients of a learner's loss beside the right ones."""

import pytest
import torch

from course_utils.checks.gradients import expect_gradients
from course_utils.checks.report import Failed

RIGHT = {"logits": torch.tensor([1.0, -1.0]), "numbers": torch.tensor([0.5])}


def test_the_right_ones_pass():
    expect_gradients([torch.tensor([1.0, -1.0]), torch.tensor([0.5])], RIGHT, "a call", tolerance=1e-4)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([torch.tensor([1.0, -1.0]), None], ["reaches `numbers`", ".item()"]),
        ([torch.tensor([1.0, 1.0]), torch.tensor([0.5])], ["the gradient of `logits` by a call"]),
    ],
)
def test_others_say_which(found, words):
    with pytest.raises(Failed) as caught:
        expect_gradients(found, RIGHT, "a call", tolerance=1e-4)
    assert all(word in str(caught.value) for word in words)

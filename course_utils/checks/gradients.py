"""Whether a loss trains what it should: its gradients beside the right ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from course_utils.checks import expect

if TYPE_CHECKING:
    import torch


def expect_gradients(
    found: Sequence[Any], right: Mapping[str, torch.Tensor], what: str, tolerance: float
) -> None:
    """Fails where a gradient is missing or another one.

    found: the gradients by the learner's loss, None where its backward() did not come. right: {an argument
    of the loss: its gradient}, in the same order. what: how the loss was called.
    """
    for (name, gradient), got in zip(right.items(), found, strict=True):
        expect.true(
            got is not None,
            f"a loss whose backward() reaches `{name}`, so that it can train: {what}",
            f"no gradient of `{name}`; .item(), float(), .detach() and torch.tensor() of a tensor end it",
        )
        expect.all_close(got, gradient, f"the gradient of `{name}` by {what}", tolerance=tolerance)

"""Six predictions made before a measurement, judged against what the measurement gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from course_utils.checks import expect
from course_utils.checks.framework import part

if TYPE_CHECKING:
    from course_utils.wire.answer import Answer


def six_predictions(
    answer: Answer, found: Mapping[str, bool], counted: str = "the number of right predictions"
) -> None:
    """Judge `predictions()`: a dict of six booleans with the names of `found`, {name:
    what was measured}; two points.

    `counted` says in the message what there should be six of.
    """
    predicted = answer.call("predictions")
    expect.keys(predicted, found, "predictions()")
    for name in found:
        expect.type_of(predicted[name], bool, f"predictions()[{name!r}]")
    right = sum(predicted[name] == value for name, value in found.items())
    with part("five of six", points=1):
        expect.at_least(right, 5, f"{counted} (measure them: the cell for it is given)")
    with part("all six", points=1):
        expect.at_least(right, 6, counted)

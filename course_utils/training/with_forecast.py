"""The forecast of `course_utils.training.forecast` for a loop that a lesson writes by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from course_utils.training.forecast import Forecast

Step = TypeVar("Step")


def with_forecast(steps: Sequence[Step], device: str) -> Iterator[Step]:
    """The steps one by one; after the second one is printed how long all will take on a CPU, if that is long.

    `for step in with_forecast(range(200), course.device):` goes around what one step does.
    """
    forecast = Forecast(len(steps), device)
    for step in steps:
        yield step
        forecast.step()

"""The measured table is sound."""

import numpy as np
import pytest

from course_utils import instructions
from course_utils.bench import phenomena
from course_utils.measure.scores import Score


def score(*values):
    return Score(float(np.mean(values)), 0.0, 1.0, len(values), values=tuple(map(float, values)))


@pytest.mark.parametrize(
    ("value", "target", "reached"),
    [
        (0.9, ">= 0.85", True),
        (0.8, ">= 0.85", False),
        (80, "<= 90", True),
        (91, "<= 90", False),
        (5, "", None),
    ],
)
def test_a_row_knows_whether_it_reached_its_target(value, target, reached):
    assert phenomena._row("x", value, target).reached is reached


def test_a_share_won_back_is_that_of_the_fall():
    tasks = instructions.KNOWN_TASKS
    before, after, kept = (
        {task: score(*values) for task in tasks} for values in ((1, 1, 1, 1), (0, 0, 0, 0), (1, 1, 1, 0))
    )
    share = phenomena._recovered(before, after, kept)
    assert share.value == pytest.approx(0.75) and share.low < 0.75 < share.high and share.n == 4 * len(tasks)


def test_a_share_of_the_gain_leaves_out_where_it_began():
    assert phenomena._gain_share(score(0.2, 0.2), score(0.8, 0.8), score(0.5, 0.5)).value == pytest.approx(
        0.5
    )


def test_the_shipped_table_covers_what_was_to_be_reached_each_with_its_n():
    rows = {row.name: row for row in phenomena.saved_rows()}
    scored = [
        row for name, row in rows.items() if "exact match" in name or "ROUGE-L" in name or "accuracy" in name
    ]
    assert scored and all(row.n >= 500 and row.low < row.high for row in scored)
    assert sum(row.target != "" for row in rows.values()) >= 18
    assert all(row.reached == phenomena._reached(row.value, row.target) for row in rows.values())


def test_rows_measured_again_take_their_places_and_lose_none():
    row = lambda name, value: phenomena.Row(name, value, value, value, 1)  # noqa: E731
    found = phenomena.merged([row("a", 1), row("b", 2), row("c", 3)], [row("d", 5), row("b", 4)])
    assert [(each.name, each.value) for each in found] == [("a", 1), ("b", 4), ("c", 3), ("d", 5)]


@pytest.mark.slow
def test_a_phenomenon_measured_anew_agrees_with_the_table():
    """The first rows, on fewer records: within the interval that fewer records allow."""
    saved = {row.name: row for row in phenomena.saved_rows()}
    experiment = phenomena.flan_rows(60)
    for row in (next(experiment) for _ in range(4)):
        assert abs(row.value - saved[row.name].value) < 0.15, row.name

"""Splits that the Hub lacks are carved from train, the same each time."""

import pyarrow
import pytest

from course_utils.datasets import from_hub


def table(rows, groups=1):
    return pyarrow.table({"row": range(rows), "group": [row // groups for row in range(rows)]})


def test_carving_is_the_same_every_time_and_loses_nothing():
    stays, carved = from_hub.carve(table(100), 30)
    again = from_hub.carve(table(100), 30)[1]
    assert carved.equals(again)
    assert carved.num_rows == 30
    assert sorted(stays["row"].to_pylist() + carved["row"].to_pylist()) == list(range(100))
    assert stays["row"].to_pylist() == sorted(stays["row"].to_pylist())
    assert from_hub.carve(table(100), 30, seed=1)[1] != carved


def test_carving_apart_moves_whole_groups():
    stays, carved = from_hub.carve(table(100, groups=7), 30, apart="group")
    assert not set(stays["group"].to_pylist()) & set(carved["group"].to_pylist())
    assert 30 <= carved.num_rows < 37


def test_mixing_is_the_same_every_time_and_loses_nothing():
    rows = from_hub.mixed(table(100))["row"].to_pylist()
    assert rows == from_hub.mixed(table(100))["row"].to_pylist()
    assert sorted(rows) == list(range(100)) != rows


@pytest.mark.parametrize("rows", [0, 100, 500])
def test_carving_leaves_something_on_both_sides(rows):
    with pytest.raises(ValueError, match="Can't carve"):
        from_hub.carve(table(100), rows)

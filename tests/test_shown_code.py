"""Types and layout may differ between a notebook and the package; nothing else may."""

import pytest

from tests.shown_code import untyped

SHOWN = 'def shown(rows, *more, size=2, **rest):\n    """What it does."""\n    return rows[:size]'


def test_types_and_layout_may_differ():
    held = (
        SHOWN.replace("rows,", "\n  rows: list[int],")
        .replace("size=2", "size: int = 2")
        .replace("):", ") -> list[int]:")
    )
    assert untyped(held.replace("What it", "What\n    it")) == untyped(SHOWN)


@pytest.mark.parametrize(
    ("old", "new"), [("size=2", "size=3"), ("[:size]", "[size:]"), ("does", "did"), ("*more, ", "")]
)
def test_nothing_else_may(old, new):
    assert untyped(SHOWN.replace(old, new)) != untyped(SHOWN)

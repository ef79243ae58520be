"""What strangers wrote is shown without an order in it."""

import pytest

from course_utils.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, é, 中, 🙂\n\tindented", "plain, é, 中, 🙂\n\tindented"),
        ("\x1b[31mred\x07\r\x00\x9b", "�[31mred����"),
        ("\u202eleft\u2066", "�left�"),
        ("half \ud800", "half �"),
    ],
)
def test_orders_are_left_out_or_seen(text, shown):
    assert printable(text) == shown
    assert printable(printable(text)) == shown


def test_a_caller_may_keep_colours():
    assert printable("\x1b[31mred\x07", keep="\x1b") == "\x1b[31mred�"


def test_a_long_text_is_cut_and_says_so():
    assert printable("x" * 11, 10) == "x" * 9 + "…"
    assert printable("x" * 10, 10) == "x" * 10

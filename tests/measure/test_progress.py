"""Progress that is seen while it lasts and leaves nothing."""

import sys

import pytest

from course_utils.measure import progress


@pytest.fixture
def lines(monkeypatch):
    """What is shown, with a clock that each step moves on by one second."""
    shown, now = [], iter(range(1000))
    monkeypatch.setattr(progress, "_line", lambda: shown.append)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    return shown


def test_long_work_is_shown_with_the_time_left_and_then_wiped(lines):
    with progress.Progress("Writing answers", 10) as shown:
        for _ in range(10):
            shown.step()
    assert lines[0] == "Writing answers: 4 of 10, about 6 s left"
    assert lines[-2:] == ["Writing answers: 10 of 10, about 0 s left", ""]


def test_quick_work_shows_nothing(lines):
    with progress.Progress("Writing answers", 3) as shown:
        for _ in range(3):
            shown.step()
    assert lines == []


def test_the_line_is_wiped_when_the_work_fails(lines):
    def work():
        with progress.Progress("Writing answers", 100) as shown:
            for _ in range(5):
                shown.step()
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert lines[-1] == ""


def test_nothing_is_written_where_nobody_looks(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    progress._line()("never seen")
    assert capsys.readouterr() == ("", "")


def test_in_a_terminal_one_line_is_rewritten(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    line = progress._line()
    line("half")
    line("")
    assert capsys.readouterr().err == "\r\033[Khalf\r\033[K"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations(seconds, text):
    assert progress.duration(seconds) == text

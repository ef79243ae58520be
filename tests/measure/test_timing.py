"""The stopwatch."""

import time

import pytest

from course_utils.measure.timing import Lap, seconds_a_pass, stopwatch


def test_the_stopwatch_times_and_says_so(capsys):
    with stopwatch("sleeping") as lap:
        time.sleep(0.05)
        lap.tokens = 500
    assert 0.05 <= lap.seconds < 30  # in seconds; the bound is for a busy machine
    assert lap.tokens_per_second == pytest.approx(500 / lap.seconds)
    assert capsys.readouterr().out == f"{lap}\n"


def test_it_can_be_silent_and_stops_when_the_block_fails(capsys):
    with pytest.raises(KeyError), stopwatch("failing", show=False) as lap:
        raise KeyError
    assert lap.seconds is not None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("lap", "text"),
    [
        (Lap("training", 1540 * 3, 3.0), "training: 3.0 s, 1,540 tokens/s"),
        (Lap("training", 0, 3.21), "training: 3.2 s"),
        (Lap("training"), "training: running"),
        (Lap("training", 5, 0.0), "training: 0.0 s, 0 tokens/s"),
    ],
)
def test_what_a_lap_shows(lap, text):
    assert str(lap) == text


def test_a_pass_is_the_best_of_those_after_warming_up(monkeypatch):
    now, seen = [0.0], []
    monkeypatch.setattr("course_utils.measure.timing.time.perf_counter", lambda: now[0])
    seconds = iter([0.1, 0.1, 5, 3, 4])  # the first two do not count

    def model(x):
        seen.append(x)
        now[0] += next(seconds)

    assert seconds_a_pass(model, {"x": 7}, passes=3) == pytest.approx(3)
    assert seen == [7] * 5

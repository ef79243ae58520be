"""Frames arrive whole and in time, or not at all."""

import os
import threading
import time

import pytest

from course_utils.wire.pipes import _HEADER, ASK, Pipe


@pytest.fixture
def ends():
    a_reads, b_writes = os.pipe()
    b_reads, a_writes = os.pipe()
    ends = Pipe(a_reads, a_writes), Pipe(b_reads, b_writes)
    yield ends
    for end in ends:
        try:
            end.close()
        except OSError:
            pass


def echo(pipe, change=lambda number, payload: [(number, payload)]):
    def serve():
        asked, kind, payload = pipe.receive(10**8)
        for number, reply in change(asked, payload):
            pipe.send(number, kind, reply)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("size", [0, 1, 10**6])
def test_an_exchange(ends, size):
    echo(ends[1])
    assert ends[0].exchange(ASK, b"x" * size, 300, 10**7) == b"x" * size


def test_stale_replies_are_dropped(ends):
    echo(ends[1], lambda number, payload: [(number - 1, b"late"), (number + 5, b"early"), (number, b"mine")])
    assert ends[0].exchange(ASK, b"?", 300, 100) == b"mine"


def test_no_reply_in_time(ends):
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        ends[0].exchange(ASK, b"?", 0.1, 100)
    assert time.monotonic() - started < 30  # the bound is for a busy machine


def test_nobody_reads(ends):
    with pytest.raises(TimeoutError):
        ends[0].exchange(ASK, b"x" * 10**6, 0.1, 100)


def test_the_other_side_is_gone(ends):
    ends[1].close()
    with pytest.raises(ConnectionError):
        ends[0].exchange(ASK, b"?", 300, 100)


def test_a_reply_that_claims_too_much_is_not_read(ends):
    os.write(ends[1]._write_to, _HEADER.pack(2**60, 1, ASK))
    with pytest.raises(ConnectionError, match="at most"):
        ends[0].exchange(ASK, b"?", 300, 100)


def test_a_flood_of_stale_replies_ends(ends):
    echo(ends[1], lambda number, payload: [(number + 1, b"")] * 1_001)
    with pytest.raises(ConnectionError, match="nobody asked"):
        ends[0].exchange(ASK, b"?", 300, 100)

"""Large files in parts: in any order, once more, cut off, at the same time. Only the right bytes ever count."""

import hashlib
import random
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from course_utils.hub.store import large
from course_utils.hub.store.errors import HubError
from course_utils.hub.store.large import LargeFiles

PART, COUNT = 100, 4
DATA = random.Random(0).randbytes(PART * (COUNT - 1) + 37)
SHA256 = hashlib.sha256(DATA).hexdigest()
PIECES = [DATA[start : start + PART] for start in range(0, len(DATA), PART)]


@pytest.fixture
def files(tmp_path):
    return made(tmp_path)


def made(root):
    (root / "scratch").mkdir()
    return LargeFiles(root / "large", root / "scratch")


def send(files, number, data=None, blocks=None):
    """Send part `number`: its right bytes, or other ones, in blocks of 30."""
    right = PIECES[number - 1]
    data = right if data is None else data
    blocks = blocks or (data[start : start + 30] for start in range(0, len(data), 30))
    files.parts("me", SHA256, len(DATA)).receive(number, (number - 1) * PART, len(right), blocks)


def join(files):
    files.join("me", SHA256, len(DATA), COUNT)


def assert_kept(files):
    assert files.path(SHA256).read_bytes() == DATA
    assert not list(files.scratch.iterdir())


def assert_refused(status, work, *arguments):
    with pytest.raises(HubError) as error:
        work(*arguments)
    assert error.value.status == status
    return error.value.message


@pytest.mark.parametrize("order", [(1, 2, 3, 4), (4, 3, 2, 1), (2, 1, 4, 3), (1, 2, 2, 3, 1, 4)])
def test_parts_in_any_order(files, order):
    for number in order:
        send(files, number)
    join(files)
    assert_kept(files)


ATTEMPTS = some.tuples(
    some.integers(1, COUNT), some.sampled_from(["right", "right", "wrong", "short", "long"])
)


@settings(max_examples=200, deadline=None)
@given(some.lists(ATTEMPTS, max_size=12))
def test_whatever_came_before_only_the_right_bytes_are_kept(attempts):
    with tempfile.TemporaryDirectory() as folder:
        files, there = made(Path(folder)), {}
        for number, kind in attempts:
            right = PIECES[number - 1]
            data = {"right": right, "wrong": right[::-1], "short": right[1:], "long": right + b"x"}[kind]
            there.pop(number, None)
            if kind in ("short", "long"):
                assert_refused(422 if kind == "short" else 413, send, files, number, data)
            else:
                send(files, number, data)
                there[number] = data
        missing = [str(number) for number in range(1, COUNT + 1) if number not in there]
        if missing:
            assert f"did not arrive: {', '.join(missing)}." in assert_refused(422, join, files)
        elif there != dict(enumerate(PIECES, 1)):
            assert "SHA-256" in assert_refused(422, join, files)
        else:
            join(files)
            assert_kept(files)
            return
        assert files.size(SHA256) is None
        for number in range(1, COUNT + 1):  # and nothing that went wrong stands in the way of a new upload
            send(files, number)
        join(files)
        assert_kept(files)


def test_a_part_that_breaks_off_is_sent_once_more(files):
    def broken():
        yield PIECES[1][:-1]
        raise ConnectionError

    send(files, 1)
    with pytest.raises(ConnectionError):
        send(files, 2, blocks=broken())
    for number in (2, 3, 4):
        send(files, number)
    join(files)
    assert_kept(files)


def test_a_part_sent_twice_at_once_is_not_mixed(files):
    begun, go_on, done = threading.Event(), threading.Event(), []

    def slow():
        yield PIECES[0][:50]
        begun.set()
        assert go_on.wait(60)
        yield b"x" * 50

    def second():
        send(files, 1)
        done.append(True)

    threads = [threading.Thread(target=send, args=(files, 1, None, slow())), threading.Thread(target=second)]
    threads[0].start()
    assert begun.wait(60)
    threads[1].start()
    threads[1].join(0.2)
    assert not done  # it waits for the first to end
    go_on.set()
    for each in threads:
        each.join(60)
    for number in (2, 3, 4):
        send(files, number)
    join(files)
    assert_kept(files)


def test_uploads_of_another_user_or_another_size_are_others(files):
    for number in range(1, COUNT + 1):
        send(files, number)
    assert_refused(422, files.join, "ada", SHA256, len(DATA), COUNT)
    assert_refused(422, files.join, "me", SHA256, len(DATA) - 1, COUNT)
    join(files)
    assert files.path(SHA256).read_bytes() == DATA


def test_what_comes_in_order_is_hashed_once(files, monkeypatch):
    hashed = []

    class Digest:
        def __init__(self, inner=None):
            self.inner = inner or hashlib.new("sha256")

        def copy(self):
            return Digest(self.inner.copy())

        def update(self, block):
            hashed.append(len(block))
            self.inner.update(block)

        def hexdigest(self):
            return self.inner.hexdigest()

    monkeypatch.setattr(large.hashlib, "sha256", Digest)
    for number in range(1, COUNT + 1):
        send(files, number)
    join(files)
    assert sum(hashed) == len(DATA)
    assert_kept(files)


@pytest.mark.parametrize(
    ("data", "status"), [(DATA[:-1], 422), (DATA + b"x", 413), (DATA[::-1], 422), (b"", 422)]
)
def test_a_whole_file_that_is_not_what_was_announced(files, data, status):
    assert_refused(status, files.receive, SHA256, len(DATA), [data[:30], data[30:]])
    assert files.size(SHA256) is None and not list(files.scratch.iterdir())
    files.receive(SHA256, len(DATA), [DATA])
    assert_kept(files)

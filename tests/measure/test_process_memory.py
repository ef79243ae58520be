"""The watch sees memory that is taken, also if it is given back at once, and no mapped file."""

import mmap
import sys
import time

import pytest

from course_utils.measure.process_memory import memory_watch, private_bytes, watched_alone

MEGABYTE = 10**6


def test_it_sees_what_is_taken_and_given_back(capsys):
    with memory_watch("a block") as use:
        # new pages from the system: a heap that earlier tests left large would give some that it already has
        taken = mmap.mmap(-1, 80 * MEGABYTE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for page in range(0, len(taken), mmap.PAGESIZE):
            taken[page] = 1
        given_up = time.monotonic() + 60
        while use.grown < 60 * MEGABYTE and time.monotonic() < given_up:  # until the watch has looked
            time.sleep(0.001)
        taken.close()
    assert 60 * MEGABYTE < use.grown < 120 * MEGABYTE
    assert use.seconds > 0
    assert capsys.readouterr().out == f"{use}\n"
    assert "a block: at most" in str(use)


def test_nothing_taken_is_nothing_seen():
    with memory_watch("nothing", show=False) as use:
        sum(range(1000))
    assert use.grown < 20 * MEGABYTE


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not tell mapped files apart")
def test_a_mapped_file_is_not_counted(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(bytes(80 * MEGABYTE))
    with open(path, "rb") as file, memory_watch("mapped", show=False) as use:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        assert sum(mapped[place] for place in range(0, len(mapped), 4096)) == 0
        mapped.close()
    assert use.grown < 20 * MEGABYTE


def test_it_reports_even_if_the_block_fails(capsys):
    with pytest.raises(ZeroDivisionError), memory_watch("failing"):
        1 / 0  # noqa: B018
    assert "failing" in capsys.readouterr().out
    assert private_bytes() > 0


def test_work_in_a_process_of_its_own_comes_back_with_its_memory(capsys):
    size = 60 * MEGABYTE

    def work(kept, count):
        kept.append(bytearray(size))  # still held when the watch ends, and so looks for the last time
        return len(kept[0]) * count

    kept = []
    result, use = watched_alone("a block", work, kept, 2)
    assert result == 2 * size and not kept
    assert 40 * MEGABYTE < use.grown < 100 * MEGABYTE
    assert capsys.readouterr().out == f"{use}\n"


def test_work_that_fails_says_so():
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        watched_alone("failing", lambda: 1 / 0)

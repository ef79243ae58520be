"""Ranks give what their function gives, and none is left, however it ends."""

import multiprocessing
import os
import signal
import threading
import time

import pytest
import torch
import torch.distributed as dist

from course_utils.training.ranks import on_ranks, outcomes_of_ranks

HALF = 0.5


def mean_of_ranks(more):
    mine = torch.full((3,), float(dist.get_rank() + more))
    dist.all_reduce(mine)
    return mine * HALF


def fail_on_rank_1():
    print("about to")
    if dist.get_rank() == 1:
        raise ValueError("this one")
    dist.barrier()


def killed_on_rank_1():
    if dist.get_rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        dist.barrier()
    except RuntimeError as error:
        return str(error)


def sleep():
    time.sleep(600)


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_the_values_of_the_ranks_in_their_order():
    assert [each.tolist() for each in on_ranks(mean_of_ranks, 1)] == [[1.5] * 3] * 2
    assert on_ranks(dist.get_rank, world=3) == [0, 1, 2]


@pytest.mark.slow
def test_a_function_of_a_notebook_travels_with_what_it_refers_to():
    names = {"__name__": "__main__"}
    exec("factor = 3\ndef inner(): return factor\ndef outer(): return inner() + 1", names)
    assert on_ranks(names["outer"]) == [4, 4]


@pytest.mark.slow
def test_the_first_rank_that_fails_is_the_one_that_is_named():
    with pytest.raises(RuntimeError, match=r"Rank 1 failed[^$]*about to[^$]*ValueError: this one"):
        on_ranks(fail_on_rank_1)


@pytest.mark.slow
def test_the_others_can_be_asked_what_they_saw_of_a_rank_that_died():
    survivor, dead = outcomes_of_ranks(killed_on_rank_1)
    assert (dead.exit_code, survivor.exit_code) == (-signal.SIGKILL, 0)
    assert "closed by peer" in survivor.value.lower() or "reset by peer" in survivor.value.lower()


@pytest.mark.slow
def test_ranks_that_do_not_end_are_ended():
    with pytest.raises(TimeoutError, match="2 of 2 ranks"):
        on_ranks(sleep, seconds=3)


@pytest.mark.slow
def test_ranks_are_ended_when_the_cell_is_interrupted():
    threading.Timer(3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        on_ranks(sleep)

"""The clock gives back what was waited for a processor, and nothing else."""

import multiprocessing
import os
import subprocess
import sys

import pytest

from course_utils.grading.run.executor import Clocks, Notebook
from course_utils.grading.run.fair_clock import MOST, FairClock, threads_below


class Machine:
    """A time and threads of our own."""

    def __init__(self):
        self.time, self.counted = 0.0, {1: (5.0, 7.0)}

    def passes(self, seconds, **threads):
        self.time += seconds
        for name, (ran, waited) in threads.items():
            number = int(name[1:])
            run, wait = self.counted.get(number, (0.0, 0.0))
            self.counted[number] = run + ran, wait + waited

    def clock(self, seconds):
        return FairClock(seconds, lambda: dict(self.counted), lambda: self.time)


@pytest.fixture
def machine():
    return Machine()


def test_on_a_free_machine_it_is_a_plain_clock(machine):
    clock = machine.clock(100)
    assert clock() == 5, "until the first look"
    machine.passes(5, t1=(5, 0))
    assert clock() == 95
    machine.passes(95, t1=(94, 1e-3))
    assert clock() == pytest.approx(1e-3)
    machine.passes(1, t1=(1, 0))
    assert clock() == 0


def test_what_sleeps_has_a_plain_clock(machine):
    clock = machine.clock(100)
    machine.passes(5)
    clock()
    machine.passes(95)
    assert clock() == 0
    assert clock.stop() == 0


def test_what_was_waited_for_a_processor_is_given_back(machine):
    clock = machine.clock(100)
    machine.passes(5, t1=(2, 3))
    clock()
    machine.passes(95, t1=(25, 70))
    assert clock() == 70
    machine.passes(70, t1=(20, 50))
    assert clock() == 50
    assert clock.stop() == 120, "what was before the first look is not known"


def test_it_gives_back_no_more_than_a_bound(machine):
    clock = machine.clock(100)
    machine.passes(5)
    clock()
    machine.passes(95, t1=(0, 95))
    clock()
    machine.passes(MOST * 100, t1=(1, MOST * 100))
    assert clock() == 0
    assert clock.stop() == (MOST - 1) * 100


def test_threads_that_wait_for_one_another_have_had_their_time(machine):
    clock = machine.clock(100)
    machine.passes(5)
    clock()
    machine.passes(95, **{f"t{number}": (24, 71) for number in range(2, 10)})
    assert clock() == 0


def test_the_kernels_numbers_of_a_process_and_its_children():
    busy = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'for _ in range(10**7): pass']); sys.stdin.read()"
    parent = subprocess.Popen([sys.executable, "-c", f"{busy}"], stdin=subprocess.PIPE)
    try:
        found = threads_below(parent.pid)
        while len(threads_below(parent.pid)) < 2:  # its child is not there yet
            assert parent.poll() is None
        assert parent.pid in found
        assert all(ran >= 0 and waited >= 0 for ran, waited in found.values())
    finally:
        parent.communicate()
    assert threads_below(parent.pid) == {}


WORK = """
import time
def work():
    while time.process_time() - begun < 6:
        pass
begun = time.process_time()
work()
'done'
"""


@pytest.mark.slow
def test_honest_work_on_a_starved_machine_is_not_stopped():
    """Six seconds of a processor within a limit of eight, while four processes a core want it, too."""
    others = [multiprocessing.Process(target=_burn, daemon=True) for _ in range(4 * (os.cpu_count() or 1))]
    with Notebook(Clocks(cell=8, total=60)) as running:
        for each in others:
            each.start()
        try:
            outputs = running.run(WORK)
        finally:
            for each in others:
                each.kill()
        assert outputs[-1]["data"]["text/plain"] == "'done'"
        assert "longer than 2 s" in running.run("import time\ntime.sleep(60)", 2)[0]["evalue"]


def _burn():
    while True:
        pass

"""What makes forks cheap: nothing is lost by it, and it ends with the run."""

import gc
import subprocess
import sys

from course_utils.grading.run import forking

MANY = """
import gc
from course_utils.grading.run.forking import forked_often, gather_pages
numbers = [[number] for number in range(400_000)]
before = gc.get_freeze_count()
with forked_often():
    print(gc.get_freeze_count() - before > 400_000, gather_pages() >= 0, sum(map(sum, numbers)))
print(gc.get_freeze_count())
"""


def test_the_collector_lets_alone_what_was_made_before_until_the_run_ends():
    """In a process of its own: what this one holds stays collectable."""
    ran = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "True", str(sum(range(400_000))), "0"]


def test_only_memory_of_the_process_s_own_is_gathered():
    maps = [
        "00400000-00600000 r-xp 00000000 fe:00 11 /usr/bin/python",
        "00600000-00a00000 rw-p 00000000 fe:00 11 /usr/bin/python",
        "01000000-01800000 rw-p 00000000 00:00 0 [heap]",
        "7f0000000000-7f0000400000 rw-p 00000000 00:00 0",
        "7f1000000000-7f1000400000 rw-s 00000000 00:00 0",
        "7f2000000000-7f2000400000 ---p 00000000 00:00 0",
        "7ffc00000000-7ffc00400000 rw-p 00000000 00:00 0 [stack]",
    ]
    assert list(forking._own_memory(maps)) == [(0x1000000, 0x1800000), (0x7F0000000000, 0x7F0000400000)]


def test_a_system_without_it_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(forking, "_MAPS", forking.Path("/nowhere"))
    assert forking.gather_pages() == 0


def test_collection_goes_on_after_the_imports():
    with forking.uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()

"""A command gives its output, and nothing that it started is left, however it ends."""

import os
import signal
import sys
import threading
import time

import psutil
import pytest

from course_utils.training.guarded import run_guarded

#: starts a process of its own, says its number, and waits for it
STARTS = (
    "import subprocess, sys; "
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True); "
    "open(sys.argv[1], 'w').write(str(child.pid)); child.wait()"
)


def wait_until(holds, seconds=20):
    last = time.monotonic() + seconds
    while not holds() and time.monotonic() < last:
        time.sleep(0.05)
    assert holds()


def ended(number):
    try:
        return psutil.Process(number).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_exit_code_and_output():
    words = "import os, sys; print('out', os.environ['WORD'], flush=True); sys.exit('err')"
    code, said = run_guarded([sys.executable, "-c", words], environment={"WORD": "here"})
    assert (code, said) == (1, "out here\nerr\n")


def test_what_takes_too_long_is_ended_with_all_that_it_started(tmp_path):
    place = tmp_path / "number"
    with pytest.raises(TimeoutError):
        run_guarded([sys.executable, "-c", STARTS, str(place)], seconds=5)
    wait_until(lambda: ended(int(place.read_text())))


def test_an_interrupt_ends_it_with_all_that_it_started(tmp_path):
    place = tmp_path / "number"

    def interrupt():
        wait_until(lambda: place.exists() and place.read_text())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run_guarded([sys.executable, "-c", STARTS, str(place)])
    wait_until(lambda: ended(int(place.read_text())))

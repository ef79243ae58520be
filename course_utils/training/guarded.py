"""A command that starts processes of its own, such as torchrun, of which none outlives who asked for it.

    python -m course_utils.training.guarded COMMAND ...

runs the command and ends all that it started as soon as its own input ends, which it does when its parent
dies.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence

import psutil


def run_guarded(
    command: Sequence[str], seconds: float = 600, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Exit code and output (both streams) of a command. environment: is added to this process's own.

    However this ends, nothing that the command started is left. Raises TimeoutError after `seconds`.
    """
    guarded = [sys.executable, "-m", "course_utils.training.guarded", *command]
    with tempfile.TemporaryFile() as said:
        guard = subprocess.Popen(
            guarded,
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # an interrupt comes here first, and from here to them
        )
        assert guard.stdin is not None, "it was asked for"
        in_time = True
        try:
            guard.wait(seconds)
        except subprocess.TimeoutExpired:
            in_time = False
        finally:
            guard.stdin.close()
            code = guard.wait()
        said.seek(0)
        output = said.read().decode("utf-8", errors="replace")
    if not in_time:
        raise TimeoutError(f"The command was not done after {seconds:.0f} s. It said:\n{output}")
    return code, output


def _end(process: subprocess.Popen[bytes], ending: threading.Event) -> None:
    """Waits until nobody is at the other end, then ends the process and all that it started."""
    while os.read(0, 1):  # not through sys.stdin, whose lock Python would want back at its end
        pass
    ending.set()
    try:
        started = psutil.Process(process.pid)
        for each in [started, *started.children(recursive=True)]:
            each.kill()
    except psutil.NoSuchProcess:
        pass
    os._exit(1)


def main(command: list[str]) -> int:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    ending = threading.Event()
    guard = threading.Thread(target=_end, args=(process, ending), daemon=True)
    guard.start()
    code = process.wait()
    if ending.is_set():  # the first to be killed was this one; the guard has not come to all it started yet
        guard.join()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

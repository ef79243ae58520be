"""Commands of a terminal, run from a notebook and shown with what they print."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

SECONDS = 120
NOISE = ("UserWarning", "warnings.warn", "FutureWarning")


def terminal(command: str, show: bool = True, seconds: float = SECONDS) -> int:
    """Run one command, `hf upload …` or `python …`, print it with its output, and return its exit code.

    It finds the programs of this environment first, and no shell reads it: no pipes, no wildcards. Lines that
    only warn are left out. Raises TimeoutError when it has not ended in time.
    """
    words = shlex.split(command)
    if not words:
        raise ValueError("The command is empty.")
    here = str(Path(sys.executable).parent)
    environment = os.environ | {
        "PATH": here + os.pathsep + os.environ.get("PATH", ""),
        "NO_COLOR": "1",
        "COLUMNS": "100",
    }
    try:
        done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"`{command}` did not end within {seconds} s.") from None
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no program {words[0]!r} in this environment.") from None
    lines = [
        line for line in (done.stdout + done.stderr).splitlines() if line.strip() and not _is_noise(line)
    ]
    if show:
        print("\n".join([f"$ {command}", *lines]))
    return done.returncode


def _is_noise(line: str) -> bool:
    return any(word in line for word in NOISE)

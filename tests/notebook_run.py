"""One run of one notebook from top to bottom, with sockets blocked. Part of every notebook's key."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.isolation import GUARD

ROOT = Path(__file__).resolve().parent.parent
HANGING = 1800  # seconds after which a run is given up


def run(path, scratch):
    """Run a copy of a notebook under nbval; returns (exit code, what pytest said, processor seconds)."""
    if str(GUARD) not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        raise RuntimeError(
            "the network is not blocked: run notebooks through pytest, whose conftest.py does that"
        )
    resource = pytest.importorskip("resource", reason="measures processor time as Unix does")
    copy = shutil.copytree(path.parent, scratch / path.parent.name) / path.name
    command = [
        *(sys.executable, "-m", "pytest", str(copy), "--nbval-lax", "--nbval-current-env"),
        *("--nbval-sanitize-with", str(ROOT / "tests" / "nbval.cfg"), "--nbval-cell-timeout", str(HANGING)),
        *("-p", "nbval_patience", "--nbval-kernel-startup-timeout", str(HANGING)),
        *("-q", "-o", "addopts=", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(scratch)),
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(command, capture_output=True, text=True, timeout=HANGING, cwd=scratch)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    said = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout + result.stderr)  # colours
    return result.returncode, said, seconds

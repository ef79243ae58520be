"""What the make targets would run, and what they say where no Python will do."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="no make here")


def test_what_make_tells_its_children_does_not_reach_a_test():
    """CI runs the tests under make; what a test sees must not depend on it."""
    script = "import tests.conftest, os; print(sorted(name for name in os.environ if name.startswith('M')))"
    under_make = os.environ | {"MAKELEVEL": "1", "MAKEFLAGS": "w", "MFLAGS": "-w"}
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=under_make, cwd=ROOT
    )
    assert "MAKELEVEL" not in said.stdout and "MAKEFLAGS" not in said.stdout and "MPLBACKEND" in said.stdout


def make(root, *arguments, **variables):
    command = ["make", *arguments]
    environment = os.environ | variables
    return subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment, timeout=600)


@pytest.mark.parametrize(
    ("arguments", "present", "absent"),
    [
        (
            ["start"],
            ["course_utils/install.py", "course fetch || true", "course doctor", "course lab"],
            ["--port", "--torch"],
        ),
        (["start", "PORT=8890"], ["course lab --port 8890"], []),
        (["start", "TORCH=cu126"], ["course_utils/install.py --torch cu126"], []),
        (
            ["test"],
            ["course_utils/install.py", "OMP_NUM_THREADS=1", "tests.run -n 2", "not exhaustive"],
            ["not slow"],
        ),
        (["test-quick"], ["not slow and not exhaustive"], []),
        (["test-all"], ["tests.run"], [' -m "not']),
        (["site"], ["course_utils/install.py", "course site"], ["pytest"]),
        (["lint"], ["ruff check .", "ruff format --check .", "mypy"], ["pytest"]),
    ],
)
def test_a_target_runs_what_it_says(root, arguments, present, absent):
    commands = make(root, "-n", *arguments).stdout
    assert all(each in commands for each in present), commands
    assert not any(each in commands for each in absent), commands


def test_help_has_a_line_for_every_target(root):
    makefile = (root / "Makefile").read_text()
    targets = re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)
    lines = make(root, "help").stdout.splitlines()
    assert [line.split()[1] for line in lines] == targets
    assert all(len(line.split()) > 3 for line in lines)
    declared = " ".join(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)).split()
    assert set(declared) == set(targets)


def test_without_a_fitting_python_it_says_what_to_do(root):
    result = make(root, "install", "PYTHON=")
    assert result.returncode != 0
    assert "No Python 3.11 or newer was found" in result.stdout
    assert "make start PYTHON=" in result.stdout


def test_the_python_named_is_the_one_that_installs(root, tmp_path):
    python = tmp_path / "python3"
    python.write_text("#!/bin/sh\necho this would have run $*\nexit 7\n")
    python.chmod(0o755)
    result = make(root, "install", f"PYTHON={python}")
    assert "this would have run -I course_utils/install.py" in result.stdout
    assert result.returncode != 0, "a failed installation ends the target"


def test_continuous_integration_runs_make_test(root):
    script = root / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().rstrip().endswith("\nmake test")
    assert subprocess.run(["bash", "-n", script]).returncode == 0

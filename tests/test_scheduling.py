"""One worker takes the tests that belong together, whatever version of pytest-xdist shares them out."""

import os
import re
import subprocess
import sys

import pytest

TESTS = """
import pytest

@pytest.mark.parametrize("number", range(6))
def test_it(number):
    pass
"""


@pytest.mark.slow
@pytest.mark.parametrize(("folders", "workers"), [(["browser", "attacks"], 1), (["grading", "hub"], 2)])
def test_who_gets_what(folders, workers, root, tmp_path):
    for folder in folders:
        (tmp_path / "tests" / folder).mkdir(parents=True)
        (tmp_path / "tests" / folder / f"test_{folder}.py").write_text(TESTS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-n",
        "2",
        "-v",
        "-p",
        "no:cacheprovider",
        "tests",
    ]
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, env=environment)
    assert "12 passed" in done.stdout, done.stdout + done.stderr
    assert len(set(re.findall(r"\[(gw\d)\]", done.stdout))) == workers

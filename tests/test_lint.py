"""Ruff has nothing to say of the code and the notebooks; what lessons may do is named in pyproject.toml."""

import subprocess
import sys


def test_ruff_has_nothing_to_say(root):
    said = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "."], cwd=root, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stdout[-3000:] + said.stderr

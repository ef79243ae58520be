"""Ruff has nothing to say of the code and the notebooks, mypy nothing of the types; exceptions are in pyproject.toml."""

import re
import subprocess
import sys

import pytest


def said(root, *command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=root, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout[-3000:] + done.stderr[-3000:]


def test_ruff_has_nothing_to_say(root):
    assert not said(root, "ruff", "check", "--no-cache", ".")


def test_the_code_is_laid_out_by_ruff(root):
    assert not said(root, "ruff", "format", "--check", "--no-cache", ".")


@pytest.mark.slow  # without a cache it reads numpy and the small libraries first
def test_mypy_has_nothing_to_say(root):
    assert not said(root, "mypy")


def test_no_error_is_ignored_without_its_name(root):
    """`# type: ignore` alone would hide whatever comes next."""
    blanket = re.compile(r"#\s*type:\s*ignore(?!\[)")
    assert not [
        path for path in (root / "course_utils").rglob("*.py") if blanket.search(path.read_text("utf-8"))
    ]

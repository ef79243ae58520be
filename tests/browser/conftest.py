"""Fixtures for tests in a real browser. Every test in this folder is marked slow and browser."""

import os
from pathlib import Path

import pytest

from tests.browser import workbook

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A JupyterLab that serves a copy of the workbook."""
    require_chromium()
    with workbook.serve(workbook.copy_workbook(tmp_path_factory.mktemp("workbook"))) as running:
        yield running


@pytest.fixture
def page():
    """An empty page of a new Chromium."""
    require_chromium()
    with workbook.browse() as fresh:
        yield fresh


def require_chromium():
    """Without a Chromium these tests are skipped on somebody's laptop, and fail in CI, which has to install it."""
    if workbook.chromium():
        return
    if os.environ.get("CI"):
        pytest.fail("CI has no Chromium: .ci/run installs it")
    pytest.skip("no Chromium here; Debian and Ubuntu: apt install chromium")

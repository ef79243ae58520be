"""The guard of a lesson: its cells do nothing while the files are missing, and run once they are there."""

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from course_utils.fetched import notebook

GUARD = "from course_utils.fetched.notebook import need\nneed('minilm')"


@pytest.fixture
def shell(monkeypatch):
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell(config=config)
    monkeypatch.setattr(notebook, "_shell", lambda: shell)
    return shell


def test_without_the_files_the_cells_below_do_nothing(shell, monkeypatch, capsys):
    monkeypatch.setattr(notebook, "missing", list)
    shell.run_cell("before = 1")
    shell.run_cell(GUARD)
    assert "`course fetch` in a terminal" in capsys.readouterr().out
    for cell in ("after = no_such_name", "%no_such_magic", "!exit 3", "this is no Python"):
        assert shell.run_cell(cell).success
    assert shell.user_ns["before"] == 1 and "after" not in shell.user_ns
    monkeypatch.setattr(notebook, "missing", lambda names: [])
    assert shell.run_cell(GUARD).success and shell.run_cell("after = 2").success
    assert shell.user_ns["after"] == 2 and not capsys.readouterr().out


def test_the_guard_may_be_run_again_and_again(shell, monkeypatch):
    monkeypatch.setattr(notebook, "missing", list)
    before = len(shell.input_transformers_cleanup)
    for _ in range(3):
        shell.run_cell(GUARD)
    assert len(shell.input_transformers_cleanup) == before + 1

"""Which notebooks run, and the record of those that passed: tests/notebooks.json, one line a notebook.

A notebook runs if its key (see `tests.notebook_keys`) is not the one with which the record says that it passed. Besides,
each run draws a tenth of the others, by the commit that is checked out: another commit draws another tenth, and whoever
checks the same commit out draws the same. So what a key cannot see (a new Python, another processor) is found within a few
changes. COURSE_DRAW=TEXT draws by that text instead.

The record is written by `--record` only, each line when its notebook has passed, and never in continuous integration.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "tests" / "notebooks.json"
RUNS = "tests/test_notebooks.py::test_it_runs_from_top_to_bottom_in_its_time"
DRAWN = 10  # one of so many that are unchanged
CHOICES = ("due", "changed", "all")


@dataclass(frozen=True)
class Passed:
    """With which key a notebook passed, how many processor seconds that took, and the day."""

    key: str
    seconds: float
    date: str


def read_record(path: Path) -> dict[str, Passed]:
    """{notebook: how it last passed}. What cannot be read counts as never passed, so it leads to a run."""
    try:
        entries = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    found = {}
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        try:
            found[name] = Passed(**entry)
        except TypeError:  # another hand has been at it
            continue
    return found


def write_record(record: dict[str, Passed], path: Path) -> None:
    """One line a notebook, in order, so that two changes of it can be merged; it is replaced in one step."""
    lines = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(vars(entry))}" for name, entry in sorted(record.items())
    )
    scratch = path.with_suffix(".part")
    scratch.write_text(f"{{\n{lines}\n}}\n")
    scratch.replace(path)


def changed(keys: dict[str, str], record: dict[str, Passed]) -> list[str]:
    """The notebooks that did not pass with the key that they have now."""
    return [name for name, key in keys.items() if name not in record or record[name].key != key]


def drawn(names: list[str], by: str) -> list[str]:
    """A tenth of some notebooks, one at least if there are any: those whose turn `by` makes it."""
    order = sorted(names, key=lambda name: hashlib.sha256(f"{by} {name}".encode()).digest())
    return sorted(order[: math.ceil(len(names) / DRAWN)])


def draw_by() -> str:
    """What decides the draw: COURSE_DRAW, else the commit that is checked out, else the day."""
    if own := os.environ.get("COURSE_DRAW"):
        return own
    asked = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    return asked.stdout.strip() if asked.returncode == 0 else datetime.date.today().isoformat()


def due(keys: dict[str, str], record: dict[str, Passed], choice: str, by: str) -> tuple[list[str], str]:
    """(the notebooks that run, a line that says which and why)."""
    if choice == "all":
        return list(keys), f"notebooks: all {len(keys)} run"
    new = changed(keys, record)
    others = drawn([name for name in keys if name not in new], by) if choice == "due" else []
    line = f"notebooks: {len(new)} of {len(keys)} run, as they changed"
    if choice == "due":
        line += f", and {len(others)} of the others, drawn by {by}: " + ", ".join(others)
    return [*new, *others], line


class Choice:
    """The part of pytest that leaves out the notebooks that are not due, and records those that pass.

    In a run with workers the controller chooses, once, and the workers are told. `tests/rehearsal_choice.py` has
    another kind of runs, with a record of its own.

    runs: how the tests begin that are runs. what: what a test that passed calls its run. told: what workers are
    told the chosen under.
    """

    runs, what, told = RUNS, "notebook", "notebooks"

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        told = getattr(config, "workerinput", {}).get(self.told)
        self.chosen = None if told is None else set(told)
        self.record = config.getoption("--record") and told is None
        if self.record and os.environ.get("CI"):
            raise pytest.UsageError(
                "continuous integration reads the record of notebooks; it does not write it"
            )
        self.line = ""

    def record_file(self) -> Path:
        """Where it is written which notebooks passed."""
        return RECORD

    def due(self, choice: str) -> tuple[list[str], str]:
        """(the notebooks that run, a line that says which and why)."""
        return due(keys_now(), read_record(self.record_file()), choice, draw_by())

    def choose(self) -> set[str]:
        """The names of the notebooks that run; looked up when it is first asked for."""
        if self.chosen is None:
            found, self.line = self.due(self.config.getoption("--notebooks"))
            self.chosen = set(found)
        return self.chosen

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node):
        node.workerinput[self.told] = sorted(self.choose())

    def pytest_collection_modifyitems(self, config, items):
        asked_for = {str(argument) for argument in config.args}
        runs = [item for item in items if item.nodeid.startswith(self.runs) and item.nodeid not in asked_for]
        left_out = [item for item in runs if item.callspec.id not in self.choose()]
        if left_out:
            gone = {item.nodeid for item in left_out}
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if item.nodeid not in gone]

    def pytest_runtest_logreport(self, report):
        if not (self.record and report.when == "call" and report.passed):
            return
        if passed := dict(report.user_properties).get(self.what):
            name, key, seconds = passed
            today = datetime.date.today().isoformat()
            file = self.record_file()
            there = {known: entry for known, entry in read_record(file).items() if (ROOT / known).is_file()}
            write_record(there | {name: Passed(key, seconds, today)}, file)

    def pytest_terminal_summary(self, terminalreporter):
        if self.line:
            terminalreporter.write_line(self.line)


def notebooks(*folders: str) -> list[Path]:
    """The notebooks in some of the repository's folders, in order."""
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.ipynb"))]
    return [path for path in found if ".ipynb_checkpoints" not in path.parts]


@cache
def keys_now() -> dict[str, str]:
    """{notebook, from the repository's top: its key} of all that are run, as they are when it is asked for first: every
    worker waits for it, and the rehearsals ask again.
    """
    from tests.notebook_keys import Tree  # here: most runs of pytest need no key

    tree = Tree(ROOT)
    found = notebooks("lessons", "solutions", "exercises")
    return {path.relative_to(ROOT).as_posix(): tree.key(path) for path in found}


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("notebooks")
    group.addoption(
        "--notebooks",
        choices=CHOICES,
        default="due",
        help="which notebooks run: those that changed and a tenth of the others (due), changed, or all",
    )
    group.addoption("--record", action="store_true", help="write down in tests/notebooks.json what passes")

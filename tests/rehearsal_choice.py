"""Which notebooks run in the hub profile's rehearsal, and the record of those that passed: tests/rehearsed.json.

A rehearsal is due if the key of its notebook, or what makes the stand-ins and the rehearsal, is not what the record
says that it passed with. Continuous integration has no hours for all of them after a change that reaches every
notebook: of those that are due it draws `MOST_DUE`, of the others `MOST_DRAWN`. Whoever makes such a change runs
them all with `--notebooks changed --record`, which has no limit. A lesson that never passed, as nobody had the
hours yet, is first run that way: its line in the record is what lets it be drawn.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from course_utils import closure, rehearse
from course_utils.standins import shelf
from tests import notebook_choice
from tests.notebook_choice import Choice, changed, draw_by, notebooks, read_record

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "tests" / "rehearsed.json"
RUNS = "tests/test_rehearsals.py::test_it_runs_in_the_hub_profile"
MOST_DUE, MOST_DRAWN = 3, 2
STAGE = ("course_utils/rehearse.py", "course_utils/standins/serving.py", "course_utils/standins/budgets.py")


def offering() -> list[Path]:
    """The lessons and solutions that follow the profile which is asked for."""
    from tests.notebook_keys import read_notebook  # here, under the settings of tests/conftest.py

    return [path for path in notebooks("lessons", "solutions") if rehearse.offers_hub(read_notebook(path))]


def stage_key() -> str:
    """A digest of what a rehearsal is made of, the notebook aside."""
    return shelf.digest() + closure.digest(ROOT / path for path in STAGE)


def key(path: Path, tree) -> str:
    """A rehearsal's key: 16 hexadecimal digits."""
    return joined(tree.key(path), stage_key())


def joined(own: str, stage: str) -> str:
    """The key of a rehearsal, of the notebook's own and that of the stage."""
    return hashlib.sha256(f"{own} {stage}".encode()).hexdigest()[:16]


def keys_now() -> dict[str, str]:
    """{notebook, from the repository's top: the key of its rehearsal}."""
    own, stage = notebook_choice.keys_now(), stage_key()
    names = [path.relative_to(ROOT).as_posix() for path in offering()]
    return {name: joined(own[name], stage) for name in names}


def some(names: list[str], most: int, by: str) -> list[str]:
    """At most so many of some notebooks: those whose turn `by` makes it."""
    order = sorted(names, key=lambda name: hashlib.sha256(f"{by} {name}".encode()).digest())
    return sorted(order[:most])


def due(keys: dict[str, str], record: dict, choice: str, by: str) -> tuple[list[str], str]:
    """(the notebooks that are rehearsed, a line that says which and why)."""
    if choice == "all":
        return list(keys), f"rehearsals: all {len(keys)} run"
    new = changed(keys, record)
    if choice == "changed":
        return new, f"rehearsals: {len(new)} of {len(keys)} run, as they changed"
    again = [name for name in new if name in record]
    chosen = some(again, MOST_DUE, by)
    others = some([name for name in keys if name not in new], MOST_DRAWN, by)
    line = (
        f"rehearsals: {len(chosen)} of {len(again)} that changed, {len(others)} of the others, drawn by {by}; "
        f"{len(new) - len(again)} were never rehearsed: "
    )
    return [*chosen, *others], line + ", ".join([*chosen, *others])


class RehearsalChoice(Choice):
    """`Choice` for the rehearsals."""

    runs, what, told = RUNS, "rehearsal", "rehearsals"

    def record_file(self) -> Path:
        return RECORD

    def due(self, choice: str) -> tuple[list[str], str]:
        return due(keys_now(), read_record(RECORD), choice, draw_by())

"""The notebooks run in the hub profile, against stand-ins of the real repositories, on a small budget.

What a rehearsal shows and what not: `course_utils/standins`. Which notebooks run: `tests/rehearsal_choice.py`.
"""

import resource
from pathlib import Path

import pytest

from course_utils import rehearse
from course_utils.standins import budgets, serving, shelf
from tests import rehearsal_choice
from tests.notebook_choice import Passed
from tests.notebook_keys import Tree

ROOT = Path(__file__).resolve().parent.parent
OFFERING = rehearsal_choice.offering()


def name(path):
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """(a folder to run in, the environment of a notebook). A shelf that this user has made already is used."""
    own = Path("~/.cache/course-workbook").expanduser() / shelf.place().name
    where = own if shelf.complete(own) else shelf.place()
    shelf.make(where)
    scratch = tmp_path_factory.mktemp("rehearsal")
    with serving.serving(scratch, where) as environment:
        yield scratch, environment


@pytest.mark.slow
@pytest.mark.parametrize("path", OFFERING, ids=name)
def test_it_runs_in_the_hub_profile(path, hub, record_property):
    key = rehearsal_choice.key(path, Tree(ROOT))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    rehearsed = rehearse.run(path, hub[0], ROOT, hub[1], budgets.cell())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if rehearsal_choice.key(path, Tree(ROOT)) == key:  # nobody wrote in the files meanwhile
        record_property("rehearsal", [name(path), key, round(seconds, 1)])
    assert not rehearsed.fault


def test_lessons_offer_the_profile_and_exercises_do_not():
    names = {name(path) for path in OFFERING}
    assert "lessons/03_models_and_pipelines/01_models_and_weights.ipynb" in names
    assert not [each for each in names if each.startswith("solutions/")]  # marks are made offline


KEYS = {f"lessons/{number}.ipynb": "now" for number in range(9)}


def test_an_ordinary_run_draws_a_few():
    before = dict.fromkeys(KEYS, Passed("then", 1.0, "d"))
    chosen, line = rehearsal_choice.due(KEYS, before, "due", "abc")
    assert len(chosen) == rehearsal_choice.MOST_DUE
    assert chosen == rehearsal_choice.due(KEYS, before, "due", "abc")[0]
    assert line.startswith("rehearsals: 3 of 9 that changed, 0 of the others, drawn by abc; 0 were never")
    passed = dict.fromkeys(KEYS, Passed("now", 1.0, "d"))
    assert len(rehearsal_choice.due(KEYS, passed, "due", "abc")[0]) == rehearsal_choice.MOST_DRAWN


def test_what_never_passed_is_counted_and_not_drawn():
    chosen, line = rehearsal_choice.due(KEYS, {}, "due", "abc")
    assert not chosen and "9 were never rehearsed" in line


def test_who_asks_for_what_changed_gets_all_of_it():
    passed = dict.fromkeys([*KEYS][:4], Passed("now", 1.0, "d"))
    assert len(rehearsal_choice.due(KEYS, passed, "changed", "abc")[0]) == 5
    assert len(rehearsal_choice.due(KEYS, passed, "all", "abc")[0]) == 9

"""`course bench twists`: it names what there is, and what it adds up is what came."""

import pytest

from course_utils.bench import run_files, twists
from course_utils.checks import expect
from course_utils.checks.framework import load_exercise
from course_utils.checks.report import Failed
from course_utils.checks.testing import given_cells
from course_utils.install import ROOT


@pytest.mark.parametrize("twisted", twists.QUESTIONS, ids=lambda twisted: twisted.name)
def test_every_question_and_its_cells_are_there(twisted):
    needs = load_exercise(twisted.exercise).find(twisted.question).needs
    source = given_cells(twisted.exercise, *twisted.cells)
    assert all(f"def {name}(" in source for name in needs)


def test_what_is_compared_is_noted_once_and_compared_all_the_same():
    with twists._compared() as values:
        expect.at_least(0.5, 0.4, "a share")
        expect.at_least(0.5, 0.45, "a share")
        with pytest.raises(Failed):
            expect.at_least(0.1, 0.4, "a gain")
    assert values == {"a share": 0.5, "a gain": 0.1}


def test_runs_are_added_up():
    runs = [
        {"points": 5, "reached": {"kept": 0.9}, "seconds": 60},
        {"points": 3, "reached": {"kept": 0.7}, "seconds": 80},
    ]
    found = twists.summary(runs, 5)
    assert (found["n"], found["full"], found["seconds"]) == (2, 1, 70)
    assert twists.line_of("07 q5", found) == "| 07 q5 | 2 | 1 | kept 0.70 to mean 0.80 | 70 |"


def test_the_guide_says_what_honest_runs_reached_on_twenty_draws():
    """A run of the bench that was saved changes the table; one that cost honest work its points must not pass."""
    kept = run_files.read(twists.RESULT)
    assert kept.keys() == {twisted.name for twisted in twists.QUESTIONS}
    guide = (ROOT / "course_utils" / "checks" / "README.md").read_text(encoding="utf-8")
    for name, found in kept.items():
        assert found["n"] == found["full"] == 20, name
        assert twists.line_of(name, found) in guide

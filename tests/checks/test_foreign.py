"""No check calls what the notebook gives: it could be bound anew to say what the check wants to hear."""

import pytest

from course_utils.checks import foreign
from course_utils.checks.foreign import calls_outside
from course_utils.checks.framework import Exercise, load_exercise
from course_utils.install import ROOT

EXERCISES = sorted(path.name for path in (ROOT / "solutions").glob("*_*") if path.is_dir())
# What holds a learner's work and is opened, or counted, on the check's side: a store of repositories and the
# library that clears it, and a folder; and the table of models that an answer reads, which the check fills.
MATERIALS = {
    "01_the_hub": {"hub", "huggingface_hub"},
    "02_datasets": {"scratch"},
    "11_results_and_demos": {"MODELS"},
}


@pytest.mark.parametrize("name", EXERCISES)
def test_no_check_calls_something_outside_its_own_answer_cells(name):
    found = {
        question: [called for called in names if called not in MATERIALS.get(name, ())]
        for question, names in calls_outside(load_exercise(name)).items()
    }
    assert {question: names for question, names in found.items() if names} == {}


def by_name(answer, draw):
    answer.call("probe", 1)


def dotted_and_built(answer, draw):
    answer.built("library.make", answer.call("mine"))


def by_way_of_a_helper(answer, draw):
    for name in ("mine", "kept"):
        helper(answer, name)


def helper(answer, name):
    answer.within(10).call(name, 1)


def as_an_argument(answer, draw):
    from course_utils.wire import Variable

    answer.call("mine", Variable("reader"))


def in_what_is_brought(answer, draw):
    answer.given(brought).call("brought", 1)


def brought(number: int) -> object:
    return mine(probe(number))  # noqa: F821 - the learner's


def not_to_be_read(answer, draw):
    answer.call("pro" + "be")


def all_its_own(answer, draw):
    mine = answer.given(honest)
    mine.call("honest", 1)
    answer.call("mine")
    answer.model("trained")  # made by a given cell, and judged outside


def honest(number: int) -> object:
    import math

    return [mine(each, math.pi) for each in range(number)]  # noqa: F821 - the learner's


@pytest.mark.parametrize(
    ("check", "names"),
    [
        (by_name, ["probe"]),
        (dotted_and_built, ["library"]),
        (by_way_of_a_helper, ["kept"]),
        (as_an_argument, ["reader"]),
        (in_what_is_brought, ["probe"]),
        (not_to_be_read, ["'pro' + 'be' (line {line})"]),
        (all_its_own, []),
    ],
)
def test_what_is_called_elsewhere_is_named(check, names, monkeypatch):
    exercise = Exercise("99_made_up", title="", minutes=1, difficulty="easy", cost="")
    exercise.question("q1", title="", points=1)(check)
    cells = [("other", None, "def probe(): pass"), ("answer", "q1", "def mine(): pass")]
    monkeypatch.setattr(foreign, "notebook_cells", lambda path: cells)
    line = check.__code__.co_firstlineno + 1
    assert calls_outside(exercise) == ({"q1": [name.format(line=line) for name in names]} if names else {})


def test_an_answer_of_another_question_is_not_its_own(monkeypatch):
    exercise = Exercise("99_made_up", title="", minutes=1, difficulty="easy", cost="")
    exercise.question("q2", title="", points=1)(by_name)
    monkeypatch.setattr(foreign, "notebook_cells", lambda path: [("answer", "q1", "def probe(): pass")])
    assert calls_outside(exercise) == {"q2": ["probe"]}

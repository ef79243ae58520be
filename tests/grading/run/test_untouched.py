"""What nobody has touched is asked twice and then known; what anybody may have had a part in is asked every time."""

import itertools

import pytest
from nbformat.v4 import new_code_cell

from course_utils.checks.framework import Exercise
from course_utils.checks.report import PartResult, Report, Rung
from course_utils.grading.run import executor
from course_utils.grading.run.placing import Placed
from course_utils.grading.run.untouched import ASKED, report_of
from tests.grading import toy

NUMBERS = itertools.count()
STUB, WRONG, HALF = (
    Report(
        "untouched", "q1", "Double", points, 4.0, rung.value, (PartResult("Double", points, 4.0, rung.value),)
    )
    for points, rung in ((0.0, Rung.NOT_STARTED), (0.0, Rung.WRONG_VALUE), (2.0, Rung.PARTLY))
)
OTHER_WORDS = Report("untouched", "q1", "Double", 0.0, 4.0, STUB.rung, STUB.parts, ("of another draw",))


@pytest.fixture
def question():
    """A question of its own for each test: what is known stays for the process."""
    name = f"untouched_{next(NUMBERS)}"
    exercise = Exercise(name, title="Untouched", minutes=1, difficulty="easy", cost="nothing")
    exercise.question("q1", title="Double", points=4, needs=("double",))(lambda answer, draw: None)
    return exercise.find("q1")


def answer(source="def double(number): raise NotImplementedError", **changes):
    return Placed(new_code_cell(source), **{"answer": True, "makes": frozenset({"double"}), **changes})


def given(**changes):
    return Placed(new_code_cell("numbers = [1, 2]"), makes=frozenset({"numbers"}), **changes)


def asked(question, above, *reports, learners=6):
    """(how often learners' processes were asked, what they got), where asking gives these in turn, the last again."""
    waiting, count = iter(reports), itertools.count()
    turns = [next(waiting, reports[-1]) for _ in range(learners)]
    got = [report_of(question, above, lambda: turns[next(count)]) for _ in range(learners)]
    return next(count), got


def test_an_untouched_question_is_asked_of_two_learners_and_all_get_the_same(question):
    assert asked(question, [given(), answer()], STUB) == (ASKED, [STUB] * 6)


@pytest.mark.parametrize(
    "above",
    [
        [given(), answer(worked_on=True)],
        [given(worked_on=True), answer()],
        [answer(), Placed(new_code_cell("def double(number): ..."), added=True, worked_on=True)],
        [given()],  # what it is about was made elsewhere
        [answer(makes=frozenset({"other"}))],
    ],
)
def test_whatever_a_learner_may_have_had_a_part_in_is_asked_every_time(question, above):
    assert asked(question, above, STUB)[0] == 6


@pytest.mark.parametrize("reports", [(WRONG,), (HALF,), (STUB, OTHER_WORDS)])
def test_only_the_same_stub_twice_is_known(question, reports):
    count, got = asked(question, [answer()], *reports)
    assert count == 6 and got[: len(reports)] == list(reports)


def test_a_report_with_another_part_before_the_stub_is_not_known(question):
    parts = (PartResult("one number", 0.0, 1.0, Rung.WRONG_VALUE.value), *STUB.parts)
    assert (
        asked(question, [answer()], Report("untouched", "q1", "Double", 0.0, 4.0, STUB.rung, parts))[0] == 6
    )


def test_another_release_of_the_stub_is_asked_anew(question):
    assert asked(question, [answer()], STUB)[0] == ASKED
    assert asked(question, [answer("def double(number): ...")], STUB)[0] == ASKED


def test_a_grader_gives_the_same_marks_and_words_and_asks_less(released, grade, monkeypatch):
    def graded():
        asked.clear()
        return grade(toy.submission(released, q2=toy.ANSWERS["q2"])).reports

    asked, run_apart = [], executor.run_apart
    monkeypatch.setattr(
        executor,
        "run_apart",
        lambda question, *rest: asked.append(question.name) or run_apart(question, *rest),
    )
    first = graded()
    for _ in range(ASKED):
        assert graded() == first
    assert asked == ["q2"]
    below = toy.submission(released, q2=toy.ANSWERS["q2"])
    below["cells"].append(toy.cell("code", "elsewhere", toy.ANSWERS["q1"]))
    assert grade(below).reports["q1"].points == 4, "an answer that stands below its check"
    assert grade(toy.submission(released, **toy.ANSWERS)).reports["q1"].points == 4

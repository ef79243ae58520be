"""The figures of a class: right against numbers made by hand, and read from a gradebook that a person has marked in."""

import dataclasses
import math

import pytest
from nbgrader.api import Gradebook

from course_utils.checks.report import PartResult, Report, Rung
from course_utils.grading.gradebook import class_figures
from course_utils.grading.gradebook.class_figures import GradedSubmission, correlation, figures
from tests.grading import toy

RIGHT, WRONG, STUB = Rung.RIGHT.value, Rung.WRONG_VALUE.value, Rung.NOT_STARTED.value


def report(question, points, rung, expected="", got=""):
    asked = toy.exercise.find(question)
    part = PartResult(asked.title, points, asked.points, rung, expected, got)
    return Report(toy.NAME, question, asked.title, points, asked.points, rung, (part,), (), "", 3)


def submission(student, first, second, third=5.0, status="graded", **reports):
    points = {"q1": first, "q2": second, "q3": third}
    return GradedSubmission(student, points, reports, status, "", 2.0)


@pytest.fixture
def four():
    missed = [report("q1", 0.0, WRONG, f"double(number) to be {n}, of 'text {n}'", str(n)) for n in (4, 18)]
    return [
        submission("ann", 4.0, 2.0, q1=report("q1", 4.0, RIGHT), q2=report("q2", 2.0, RIGHT)),
        submission("ben", 0.0, 2.0, q1=missed[0], q2=report("q2", 2.0, RIGHT)),
        submission("cem", 0.0, 0.0, q1=missed[1], q2=report("q2", 0.0, STUB)),
        submission("dee", 4.0, 0.0, third=None, status="needs a person", q2=report("q2", 0.0, STUB)),
    ]


def test_a_question_in_figures(four):
    first, second, third = figures(toy.exercise, four, []).questions
    assert (first.n, second.n, third.n) == (4, 4, 3)
    assert first.share.value == pytest.approx(0.5)
    assert first.spread == pytest.approx(0.5)
    assert (first.full, first.untouched) == (0.5, 0.0)
    assert (second.full, second.untouched, second.some) == (0.5, 0.5, 0.0)
    assert third.discrimination is None, "all alike"


def test_an_answer_for_a_person_that_was_left_blank_is_untouched_and_nobody_judges_by_the_blank_ones():
    blank = [
        dataclasses.replace(submission(f"s{n}", 4.0, 2.0, third=0.0), blank=frozenset({"q3"}))
        for n in range(20)
    ]
    written = [submission(f"w{n}", 4.0, 2.0, third=None, status="needs a person") for n in range(12)]
    third = figures(toy.exercise, [*blank, *written], []).questions[2]
    assert (third.untouched, third.waiting, third.teach_again) == (20 / 32, 12, False)
    marked = [submission(f"w{n}", 4.0, 2.0, third=2.0) for n in range(12)]
    assert figures(toy.exercise, [*blank, *marked], []).questions[2].teach_again


def test_learners_with_the_same_mistake_are_counted_together(four):
    first, second, _ = figures(toy.exercise, four, []).questions
    assert first.messages == (("Double: wrong value: expected double(number) to be …, of …", 2),)
    assert second.messages == (), "what was not begun says nothing"


def test_what_to_teach_again_is_surely_below(four):
    low = [submission(f"s{n}", 0.0 if n % 10 else 4.0, 2.0) for n in range(60)]
    first, second, _ = figures(toy.exercise, low, []).questions
    assert first.teach_again
    assert not second.teach_again
    assert not figures(toy.exercise, four[:2], []).questions[0].teach_again, "two learners say too little"


def test_who_is_not_through(four):
    found = figures(toy.exercise, four, ["ann", "zoe", "yan"])
    assert found.absent == ("yan", "zoe")
    assert [one.student for one in found.unfinished] == ["dee"]
    assert sum(found.tenths) == 3
    assert found.share.n == 3


def test_a_correlation_is_that_of_the_textbook():
    """Against scipy, an independent implementation."""
    from scipy.stats import pearsonr

    first, second = [1, 2, 3, 4, 5, 6, 7], [2, 1, 4, 3, 7, 5, 6]
    ours, theirs = correlation(first, second), pearsonr(first, second)
    low, high = theirs.confidence_interval(0.95)
    assert (ours.value, ours.low, ours.high) == pytest.approx((theirs.statistic, low, high), abs=1e-6)
    assert correlation([1, 2, 3], [1, 2, 3]) is None, "three pairs have no interval"
    assert math.isfinite(correlation([1, 2, 3, 4], [1, 2, 3, 4]).high)


def test_a_class_without_marks_has_no_mean():
    nobody = [submission("ann", None, None, None, status="ungraded")]
    found = figures(toy.exercise, nobody, [])
    assert found.share is None
    assert all(question.share is None for question in found.questions)


def test_the_points_that_a_person_gave_count(graded):
    (before,) = class_figures.read_class(graded)[toy.NAME]
    assert (before.status, before.points["q1"], before.points["q3"]) == ("needs a person", 4.0, None)
    with Gradebook(f"sqlite:///{graded / 'gradebook.db'}") as gradebook:
        notebook = gradebook.find_submission_notebook(toy.NAME, toy.NAME, "ann")
        (waits,) = [grade for grade in notebook.grades if grade.needs_manual_grade]
        waits.manual_score, waits.needs_manual_grade = 3.0, False
        gradebook.db.commit()
    (after,) = class_figures.read_class(graded)[toy.NAME]
    assert (after.status, after.points["q3"], after.total) == ("graded", 3.0, 7.0)

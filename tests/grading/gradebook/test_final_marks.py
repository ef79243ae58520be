"""A change of the policy changes what counts at once: due dates, extensions, penalties, what is void, totals."""

from datetime import datetime

import pytest
from nbgrader.api import Gradebook

from course_utils.grading.gradebook.final_marks import FinalMark, final_mark, follow_policy, totals
from course_utils.grading.gradebook.marks import read_marks, worth
from course_utils.grading.gradebook.policy import NAME, PolicyError
from tests.grading import toy

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's own queries


@pytest.fixture
def book(out):
    """A class of two who handed in at noon: four points each, and the question for a person is open."""
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as book:
        for student in ("ann", "bob"):
            book.update_or_create_student(student)
            submission = book.update_or_create_submission(toy.NAME, student)
            submission.timestamp = datetime(2026, 11, 20, 12)
            for cell, points in (("q1-check", 4), ("q2-check", 0)):
                grade = book.find_grade(cell, toy.NAME, toy.NAME, student)
                grade.auto_score, grade.needs_manual_grade = points, False
        book.db.commit()
        yield book


def follow(out, book, text):
    (out / NAME).write_text(text)
    policy = follow_policy(out, book)
    possible = worth(book)
    return {student: final_mark(marks, possible, policy) for (student, _), marks in read_marks(book).items()}


def due(hour, rest=""):
    return f"[due]\n{toy.NAME} = 2026-11-20T{hour:02}:00:00Z\n[late]\ndeduct_percent = 10\nevery = 'hour'\n{rest}"


def test_points_without_a_policy(out, book):
    ann = follow(out, book, "")["ann"]
    assert (ann.points, ann.max_points, ann.late_penalty, ann.complete) == (4, 11, 0, False)


def test_a_penalty_follows_the_due_date_there_and_back(out, book):
    assert follow(out, book, due(10))["ann"].counts == pytest.approx(4 - 2.2)
    assert book.find_submission(toy.NAME, "ann").late_submission_penalty == pytest.approx(2.2)
    assert follow(out, book, due(12))["ann"].counts == 4
    assert not book.find_submission(toy.NAME, "ann").late_submission_penalty


def test_an_extension_is_one_learners(out, book):
    longer = f"[extensions.{toy.NAME}]\nann = 2026-11-20T12:00:00Z\n"
    found = follow(out, book, due(10, longer))
    assert (found["ann"].late_penalty, found["bob"].late_penalty) == (0, pytest.approx(2.2))
    assert book.find_submission(toy.NAME, "ann").total_seconds_late == 0, "formgrader sees the extension"
    assert follow(out, book, due(10))["ann"].late_penalty == pytest.approx(2.2)


def test_a_penalty_is_of_the_points_as_they_are(out, book):
    """With a penalty of everything, a mark given by hand after the grading goes the way of the rest."""
    everything = due(10).replace("10\nevery", "100\nevery")
    assert follow(out, book, everything)["ann"].counts == 0
    grade = book.find_grade("q3", toy.NAME, toy.NAME, "ann")
    grade.manual_score, grade.needs_manual_grade = 3, False
    book.db.commit()
    ann = follow(out, book, everything)["ann"]
    assert (ann.points, ann.late_penalty, ann.counts) == (7, 7, 0)


def test_a_void_question_counts_for_nobody(out, book):
    ann = follow(out, book, f'[void]\n{toy.NAME} = ["q1"]\n')["ann"]
    assert (ann.points, ann.max_points) == (0, 7)
    ann = follow(out, book, f'[void]\n{toy.NAME} = ["q3"]\n')["ann"]
    assert (ann.points, ann.max_points, ann.complete) == (4, 6, True)


def test_a_policy_that_cannot_be_followed_changes_nothing(out, book):
    follow(out, book, due(10))
    with pytest.raises(PolicyError):
        follow(out, book, due(12, "[void]\nno = 1\n"))
    assert book.find_submission(toy.NAME, "ann").late_submission_penalty == pytest.approx(2.2)


def test_a_date_that_the_policy_does_not_name_stays(out, book):
    book.find_assignment(toy.NAME).duedate = datetime(2026, 11, 20, 10)
    book.grant_extension(toy.NAME, "ann", hours=1)
    found = follow(out, book, "[late]\ndeduct_percent = 10\nevery = 'hour'\n")
    assert (found["ann"].late_penalty, found["bob"].late_penalty) == (pytest.approx(1.1), pytest.approx(2.2))


def mark(student, exercise, points, late=0.0, most=10.0, complete=True):
    return FinalMark(student, exercise, points, most, late, complete)


def test_totals_leave_out_the_lowest_shares():
    marks = [
        mark("ann", "01", 9), mark("ann", "02", 8, most=20), mark("ann", "03", 7, late=2),
        mark("bob", "01", 4), mark("bob", "03", 10, complete=False),
    ]  # fmt: skip
    ann, bob = totals(marks, drop_lowest=1)
    assert ann == {
        "student": "ann", "points": "14", "max_points": "20", "percent": "70.0", "dropped": "02", "open": "",
        "01": "9", "02": "8", "03": "5",
    }  # fmt: skip
    assert (bob["points"], bob["dropped"], bob["open"], bob["02"]) == ("14", "02", "03", "")
    assert [row["points"] for row in totals(marks, 0)] == ["22", "14"]


def test_one_exercise_is_always_left():
    assert totals([mark("ann", "01", 9)], drop_lowest=3)[0]["points"] == "9"

"""Late work, work handed in again and work marked by hand go nbgrader's usual way."""

from datetime import UTC, datetime

import pytest

from course_utils.grading.desk import export, feedback
from course_utils.grading.gradebook import policy
from course_utils.grading.run import batch
from tests.grading import toy
from tests.grading.desk.test_autograde import Class

PLUGIN = """
from nbgrader.plugins import BasePlugin

class HalfADay(BasePlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return round(score * min(total_seconds_late / 86_400, 1) / 2, 2)

get_config().AssignLatePenalties.plugin_class = HalfADay
"""


@pytest.fixture
def group(tmp_path, solutions, released, prepared):
    """A class with a date by which to hand in, and a penalty of half the points for a day."""
    made = Class(tmp_path, solutions, released, prepared)
    with made.book() as book:
        book.find_assignment(toy.NAME).duedate = datetime(2026, 11, 20, 12)
        book.db.commit()
    settings = made.out / "nbgrader_config.py"
    settings.write_text(settings.read_text() + PLUGIN)
    return made


def hand_in(group, student, hour, day=20, **answers):
    group.hand_in(student, **answers)
    time = datetime(2026, 11, day, hour, tzinfo=UTC)
    group.hand_in_file(student, f"{time:%Y-%m-%d %H:%M:%S} UTC", name="timestamp.txt")


@pytest.mark.slow
def test_a_late_penalty_is_taken_off_and_goes_with_a_new_hand_in(group, capsys):
    work = {"q1": toy.ANSWERS["q1"]}
    hand_in(group, "ann", 11, **work)
    hand_in(group, "bob", 12, day=21, **work)
    hand_in(group, "cy", 0, day=21, **work)
    group.grade()
    assert {student: row["late_penalty"] for student, row in group.grades().items()} == {
        "ann": "0",
        "bob": "2",
        "cy": "1",
    }
    assert set(group.scores().values()) == {"4"}, "the score itself is what was earned"
    capsys.readouterr()
    export.main([str(group.out), "--to", "moodle"])
    assert [line.split(",")[:2] for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["ann", "4"],
        ["bob", "2"],
        ["cy", "3"],
    ]
    hand_in(group, "bob", 10, **work)
    group.grade()
    assert group.grades()["bob"]["late_penalty"] == "0"


def test_a_mark_given_afterwards_is_penalised_like_one_given_before(group):
    """With a penalty of everything, a late learner's answer that a person marks brings nothing, whenever."""
    (group.out / policy.NAME).write_text("[late]\ndeduct_percent = 100\n")
    hand_in(group, "ann", 13, **toy.ANSWERS)
    group.grade()
    with group.book() as book:
        grade = book.find_grade("q3", toy.NAME, toy.NAME, "ann")
        grade.manual_score, grade.needs_manual_grade = 3, False
        book.db.commit()
    assert export.read_marks(group.out, toy.NAME).scores == {"ann": 0}
    assert group.grades()["ann"] | {"message": ""} == {
        "student": "ann", "exercise": toy.NAME, "score": "9", "max_score": "11", "late_penalty": "9",
        "status": "graded", "message": "",
    }  # fmt: skip
    feedback.main([str(group.out)])
    page = (group.out / "feedback" / "ann" / toy.NAME / "report.html").read_text()
    assert "0 of 11 points (9, less 9 for handing in late)" in page


def test_a_due_date_set_afterwards_needs_no_new_run(group, monkeypatch):
    hand_in(group, "ann", 13, q1=toy.ANSWERS["q1"])
    group.grade()
    assert group.grades()["ann"]["late_penalty"] != "0"
    monkeypatch.setattr(batch.Grader, "grade", None)  # nothing is run again
    (group.out / policy.NAME).write_text(f"[due]\n{toy.NAME} = 2026-11-20T14:00:00+00:00\n")
    assert group.grade("--resume") == 0
    assert group.grades()["ann"]["late_penalty"] == "0"
    (group.out / policy.NAME).write_text("[due]\nnothing = 3\n")
    assert group.grade("--resume") == 1


def test_a_time_that_nobody_can_read_penalises_nobody_and_is_said(group, capsys):
    group.hand_in("ann", q1=toy.ANSWERS["q1"])
    group.hand_in_file("ann", "yesterday", name="timestamp.txt")
    assert group.grade() == 0
    assert group.grades()["ann"]["late_penalty"] == "0"
    assert "nobody knows when it came, so it is not late: 'yesterday'" in capsys.readouterr().err


def test_settings_of_the_class_are_kept_when_it_is_graded_again(group):
    hand_in(group, "ann", 11, **toy.ANSWERS)
    group.grade()
    group.grade()
    assert "HalfADay" in (group.out / "nbgrader_config.py").read_text()
    with group.book() as book:
        assert book.find_assignment(toy.NAME).duedate == datetime(2026, 11, 20, 12)


def test_a_mark_given_for_what_was_ungraded_counts(group):
    """A person may give what the machine could not; grades.csv and the export then say so."""
    group.hand_in_file("ann", "{broken")
    group.grade()
    assert group.grades()["ann"]["status"] == "ungraded"
    with group.book() as book:
        for name, points in (("q1-check", 3), ("q2-check", 2), ("q3", 5)):
            grade = book.find_grade(name, toy.NAME, toy.NAME, "ann")
            grade.manual_score, grade.needs_manual_grade = points, False
        book.db.commit()
    assert export.read_marks(group.out, toy.NAME).scores == {"ann": 10}
    assert group.grades()["ann"]["status"] == "graded"

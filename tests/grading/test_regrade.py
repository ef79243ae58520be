"""A class that is graded again: what a person gave stays, and whoever's mark changed is named, with the reason."""

import csv
from dataclasses import replace

import pytest

from course_utils.checks import expect
from course_utils.grading.desk import autograde, export
from course_utils.grading.run import journal
from tests.grading import toy
from tests.grading.desk.test_autograde import Class

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's own queries


@pytest.fixture
def group(tmp_path, solutions, released, prepared):
    return Class(tmp_path, solutions, released, prepared)


def mark(group, student, points, cell="q3"):
    with group.book() as book:
        grade = book.find_grade(cell, toy.NAME, toy.NAME, student)
        grade.manual_score, grade.needs_manual_grade = points, False
        book.db.commit()


def changed(group):
    with open(group.out / "changes.csv", newline="") as file:
        return {(row["student"], row["question"]): row for row in csv.DictReader(file)}


def another_version(monkeypatch):
    """As if the checks had been changed since."""
    monkeypatch.setattr(journal, "checks_version", lambda exercise, released: "another")


def test_a_mark_by_hand_is_final_where_its_answer_did_not_change(group, capsys):
    group.hand_in("ann", **toy.ANSWERS)
    group.grade()
    mark(group, "ann", 3)
    group.grade()
    assert group.grades()["ann"]["status"] == "graded"
    assert export.read_marks(group.out, None).scores == {"ann": 9}
    assert changed(group) == {}
    group.hand_in("ann", **toy.ANSWERS | {"q1": "def double(n): return n"})
    group.grade()
    assert group.grades()["ann"]["status"] == "graded", "the text that a person marked is the same"
    assert changed(group)["ann", "q1"] == {
        "student": "ann", "exercise": toy.NAME, "question": "q1", "before": "4", "after": "0",
        "why": "something else, or at another time, was handed in",
    }  # fmt: skip
    assert f"ann {toy.NAME} q1: 4 -> 0 (something else" in capsys.readouterr().err
    group.hand_in("ann", **toy.ANSWERS | {"q3": "Because of something else."})
    group.grade()
    assert group.grades()["ann"]["status"] == "needs a person", "another text wants another look"


def test_a_mark_by_hand_for_what_a_check_marks_is_final_with_the_same_code(group):
    group.hand_in("ann", q1="def double(n): return n")
    group.grade()
    mark(group, "ann", 2, "q1-check")
    group.grade()
    assert (group.scores()["ann"], group.grades()["ann"]["status"]) == ("2", "graded")
    group.hand_in("ann", q1="def double(n): return n", q2=toy.ANSWERS["q2"])
    group.grade()
    assert group.grades()["ann"]["status"] == "needs a person", "its code is another"
    assert group.scores()["ann"] == "4", "and the mark is shown for another look"


def test_what_a_person_gave_for_broken_work_stays_with_it(group):
    group.hand_in_file("ann", "{broken")
    group.grade()
    for cell in ("q1-check", "q2-check", "q3"):
        mark(group, "ann", 1, cell)
    group.grade()
    assert (group.scores()["ann"], group.grades()["ann"]["status"]) == ("3", "graded")
    group.hand_in_file("ann", "{broken otherwise")
    group.grade()
    assert group.grades()["ann"]["status"] == "ungraded"


def test_one_student_only(group, capsys):
    for student in ("ann", "bob"):
        group.hand_in(student, q1=toy.ANSWERS["q1"])
    group.grade()
    for student in ("ann", "bob"):
        group.hand_in(student, **toy.ANSWERS)
    assert group.grade("--student", "bob") == 0
    assert group.scores() == {"ann": "4", "bob": "6"}
    assert {student for student, _ in changed(group)} == {"bob"}
    assert group.grade("--student", "bop") == 1
    assert "'bop' has handed in nothing here; did you mean 'bob'?" in capsys.readouterr().err


def test_one_question_only(group, monkeypatch, capsys):
    """Its check was at fault, and the other marks are not to move."""
    questions = dict(toy.exercise.questions)

    def too_strict(answer, draw):
        expect.equal(answer.call("double", 1), "never right", "double(1)")

    monkeypatch.setitem(toy.exercise.questions, "q1", replace(questions["q1"], check=too_strict))
    group.hand_in("ann", **toy.ANSWERS)
    group.grade()
    before = group.scores()["ann"]
    monkeypatch.setitem(toy.exercise.questions, "q1", questions["q1"])
    monkeypatch.setitem(toy.exercise.questions, "q2", replace(questions["q2"], check=too_strict))
    another_version(monkeypatch)
    assert group.grade("--question", "q1") == 0
    assert (before, group.scores()["ann"]) == ("2", "6"), (
        "q2, whose check is too strict now, keeps its points"
    )
    assert set(changed(group)) == {("ann", "q1")}
    assert changed(group)["ann", "q1"]["why"] == "the checks, or what they rest on, changed"
    autograded = (group.out / "autograded" / "ann" / toy.NAME / f"{toy.NAME}.ipynb").read_text()
    assert "never right" not in autograded, "the notebook shows the marks that count"
    assert group.versions() == {"another"} | (group.versions() - {"another"})
    assert len(group.versions()) == 2, "each line of results.jsonl has the checks that it was made with"
    assert group.grade("--question", "q9") == 1
    assert "has no question 'q9'; its questions are q1, q2, q3" in capsys.readouterr().err


def test_one_question_of_work_that_can_no_longer_be_graded_takes_nothing_away(group, monkeypatch, capsys):
    group.hand_in("ann", **toy.ANSWERS)
    group.grade()
    fails = autograde.batch.Grader.unable
    monkeypatch.setattr(
        autograde.batch.Grader,
        "grade",
        lambda self, submission, nursery: fails(self, submission, "no room", True),
    )
    assert group.grade("--question", "q1") == 0
    assert group.scores() == {"ann": "6"}
    assert f"ann {toy.NAME} was not marked anew, and keeps its marks: no room" in capsys.readouterr().err


def test_work_that_was_never_graded_is_graded_whole(group):
    group.hand_in("ann", **toy.ANSWERS)
    assert group.grade("--question", "q1") == 0
    assert group.scores() == {"ann": "6"}
    assert changed(group) == {}


def test_a_run_that_was_killed_still_knows_what_it_changed(group, monkeypatch):
    group.hand_in("ann", q1=toy.ANSWERS["q1"])
    group.grade()
    group.hand_in("ann", **toy.ANSWERS)
    with monkeypatch.context() as killed:
        killed.setattr(autograde.batch, "grade_all", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            group.grade()
    assert group.grade("--resume") == 0
    assert changed(group)["ann", "q2"]["after"] == "2"

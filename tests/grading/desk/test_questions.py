"""A question more or less after the first grading: shown first, then done, and all other marks stay."""

import json
import shutil

import pytest
from nbgrader.api import Gradebook

from course_utils.grading.desk import questions
from tests.grading import toy
from tests.grading.desk.test_autograde import Class

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's own queries


@pytest.fixture
def course(solutions, tmp_path, monkeypatch):
    """The toy's solutions, to be changed, and its questions."""
    shutil.copytree(solutions, tmp_path / "solutions")
    monkeypatch.setattr(toy.exercise, "questions", dict(toy.exercise.questions))
    return tmp_path / "solutions"


def without_q2_with_q4(solutions):
    """q2 goes, q4 (by hand) comes."""
    path = solutions / toy.NAME / f"{toy.NAME}.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"] = [cell for cell in notebook["cells"] if not cell["id"].startswith("q2")]
    cell = toy.cell("markdown", "q4-answer", "Your words.", toy.marks("q4", grade=True, solution=True))
    path.write_text(json.dumps(notebook | {"cells": [*notebook["cells"], cell]}))
    del toy.exercise.questions["q2"]
    toy.exercise.manual("q4", title="And how", points=3)


def change(out, solutions, *arguments):
    return questions.main([str(out), "--solutions", str(solutions), *arguments])


def cells(out):
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as book:
        notebook = book.find_notebook(toy.NAME, toy.NAME)
        [submitted] = book.find_submission(toy.NAME, "ann").notebooks
        graded = {one.name: (one.auto_score, one.manual_score, one.max_score) for one in submitted.grades}
        comments = {one.name for one in submitted.comments}
        return graded, comments, {one.name for one in notebook.source_cells}


def test_a_plan_is_shown_and_nothing_done(graded, course, capsys):
    before = cells(graded)
    without_q2_with_q4(course)
    with Gradebook(f"sqlite:///{graded / 'gradebook.db'}") as book:
        book.find_grade("q2-check", toy.NAME, toy.NAME, "ann").manual_score = 1
        book.db.commit()
    assert change(graded, course) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{toy.NAME}:",
        "  q4: added, 3 points; 1 submissions have no mark for it",
        "  q2-check: removed, with its 1 marks, 1 of them given by a person",
        "  q2: its answer cell goes",
        "nothing is changed yet; with --yes it is",
    ]
    assert cells(graded)[1:] == before[1:]


def test_with_yes_the_gradebook_has_the_questions_of_now(graded, course, capsys):
    with Gradebook(f"sqlite:///{graded / 'gradebook.db'}") as book:
        grade = book.find_grade("q3", toy.NAME, toy.NAME, "ann")
        grade.manual_score, grade.needs_manual_grade = 4, False
        book.db.commit()
    without_q2_with_q4(course)
    assert change(graded, course, "--yes") == 0
    marks, comments, sources = cells(graded)
    assert marks == {"q1-check": (4, None, 4), "q3": (None, 4, 5), "q4": (None, None, 3)}
    assert comments == {"q1", "q3", "q4"}
    assert sources == {"q1", "q1-check", "q3", "q4"}
    assert (graded / questions.questions.BACKUP).is_file()
    assert '"q4"' in (graded / "release" / toy.NAME / f"{toy.NAME}.ipynb").read_text()
    capsys.readouterr()
    assert change(graded, course) == 0
    assert "has the questions that the exercises have" in capsys.readouterr().out


def test_points_that_changed_are_shown(graded, course, capsys):
    with Gradebook(f"sqlite:///{graded / 'gradebook.db'}") as book:
        book.find_grade("q3", toy.NAME, toy.NAME, "ann").manual_score = 5
        book.find_grade_cell("q3", toy.NAME, toy.NAME).max_score = 4
        book.find_grade_cell("q1-check", toy.NAME, toy.NAME).max_score = 9
        book.db.commit()
    assert change(graded, course) == 1
    said = capsys.readouterr().out
    assert "q1-check: 9 -> 4 points\n" in said and "q3: 4 -> 5 points\n" in said


def test_what_is_not_there(graded, course, tmp_path, capsys):
    assert change(tmp_path / "none", course) == 1
    assert "there is no gradebook" in capsys.readouterr().err
    assert change(graded, course, "--exercise", "44_none") == 1
    assert "there are 98_toy" in capsys.readouterr().err


def test_a_class_is_graded_again_with_its_other_questions(
    tmp_path, solutions, course, released, prepared, capsys
):
    group = Class(tmp_path, solutions, released, prepared)
    group.hand_in("ann", **toy.ANSWERS)
    group.grade()
    without_q2_with_q4(course)
    group.solutions = course
    assert group.grade("--resume") == 1
    assert "`course class questions` shows what would change" in capsys.readouterr().err
    assert change(group.out, course, "--yes") == 0
    assert group.grade("--resume") == 0
    assert group.scores() == {"ann": "4"}
    assert group.grades()["ann"]["max_score"] == "12"
    assert "the exercise has this question no more" in (group.out / "changes.csv").read_text()

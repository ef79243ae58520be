"""Work from a copy in another language is placed and marked exactly as work from the English one."""

import json

import pytest

from course_utils.checks.framework import load_exercise
from course_utils.grading.run import executor
from course_utils.grading.run.placing import not_taken, place
from course_utils.grading.run.reading import read_cells
from course_utils.texts import markdown
from tests.grading import class_of_thirty, edited, toy
from tests.grading.class_of_thirty import ROOT, answered
from tests.grading.desk.test_autograde import Class

NAME = "00_start_here"
RIGHT = class_of_thirty.solutions(NAME)
OF_THE_RUN = {"seconds", "memory", "submission"}  # what it cost, and the file's digest
ESSAY = "In drei Monaten möchte ich Briefe sortieren."
GERMAN = markdown.Tongue("xx", "X", {"# A toy": "# Ein Spielzeug"})


def in_german(notebook, tongue=GERMAN):
    return json.loads(tongue.notebook(json.dumps(notebook).encode())[0])


def placed(notebook):
    released = executor.read_released(ROOT / "exercises" / NAME / f"{NAME}.ipynb")
    return place(released, read_cells(json.dumps(notebook).encode(), NAME), load_exercise(NAME))


@pytest.mark.parametrize("shape", [lambda notebook: None, edited.names_gone, edited.ids_as_in_colab])
@pytest.mark.parametrize("answers", [{}, RIGHT | {"q9": ESSAY}, {"q2": "def path(): ...", "q9": ESSAY}])
def test_a_german_notebook_is_placed_as_the_english_one(shape, answers):
    english = answered(NAME, answers)
    german = in_german(english, markdown.tongue("de"))
    assert german != english
    shape(english)
    shape(german)
    assert placed(german) == placed(english)
    assert not_taken(placed(german)) == []
    assert not [step for step in placed(german) if step.added]
    worked_on = [step.cell.metadata["nbgrader"]["grade_id"] for step in placed(german) if step.worked_on]
    assert worked_on == sorted(answers)


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's own queries
def test_marks_are_the_same(tmp_path, solutions, released, prepared, monkeypatch):
    german = in_german(released)
    assert german != released
    half = toy.ANSWERS | {"q1": "def double(number):\n    return 2 * min(number, 10)"}
    found = []
    for language, notebook in (("en", released), ("de", german)):
        group = Class(tmp_path / language, solutions, notebook, prepared)
        (group.out / "grading.seed").write_text("the same for both\n")
        for student, answers in {"ann": toy.ANSWERS, "bob": half, "cid": {}}.items():
            group.hand_in(student, **answers)
        group.grade("--sandbox", "none")
        rows = [json.loads(line) for line in (group.out / "results.jsonl").read_text().splitlines()]
        found.append(
            (group.scores(), [{name: row[name] for name in row.keys() - OF_THE_RUN} for row in rows])
        )
    assert found[0] == found[1]
    assert [found[0][0][student] for student in ("ann", "bob", "cid")] == ["6", "2", "0"]

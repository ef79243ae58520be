"""Every exercise of the course, with full answers, finds its answers again in each shape of its file."""

import copy
import json

import nbformat
import pytest

from course_utils.checks.framework import load_exercise
from course_utils.grading.gradebook.release import exercise_names
from course_utils.grading.run import executor
from course_utils.grading.run.placing import not_taken, place
from course_utils.grading.run.reading import NeedsAPerson, read_submission
from tests.grading import edited
from tests.grading.class_of_thirty import ROOT, answered, solutions

NAMES = exercise_names(ROOT / "solutions")


def as_text(notebook):
    return json.dumps(notebook).encode()


def names_gone(notebook):
    edited.names_gone(notebook)
    return as_text(notebook)


def ids_as_in_colab(notebook):
    edited.ids_as_in_colab(notebook)
    return as_text(notebook)


def only_code(notebook):
    """As after a way through a script: no names, and no words but the essays."""
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader") is None and cell["cell_type"] == "markdown":
            cell["source"] = ""
    return names_gone(notebook)


def format_3(notebook):
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return as_text(nbformat.convert(nbformat.from_dict(notebook), 3))


def with_a_mark(notebook):
    return b"\xef\xbb\xbf" + json.dumps(notebook, ensure_ascii=False).encode()


def utf_16(notebook):
    return json.dumps(notebook, ensure_ascii=False).encode("utf-16")


SHAPES = [names_gone, ids_as_in_colab, only_code, format_3, with_a_mark, utf_16]


def found(name, folder, data):
    path = folder / f"{name}.ipynb"
    path.write_bytes(data)
    released = executor.read_released(ROOT / "exercises" / name / f"{name}.ipynb")
    return place(released, read_submission(path), load_exercise(name))


@pytest.mark.parametrize("name", NAMES)
def test_all_answers_are_found(tmp_path, name):
    right = solutions(name)
    for shape in SHAPES:
        steps = found(name, tmp_path, shape(copy.deepcopy(answered(name, right))))
        answers = {
            step.cell.metadata["nbgrader"]["grade_id"]: step.cell.source.strip()
            for step in steps
            if step.answer and step.cell.cell_type == "code"
        }
        assert answers == {each: right[each].strip() for each in answers}, shape.__name__
        assert not_taken(steps) == [], shape.__name__


@pytest.mark.parametrize("name", NAMES)
def test_another_exercise_under_this_name_is_named(tmp_path, name):
    other = NAMES[NAMES.index(name) - 1]
    for shape in (as_text, names_gone):
        with pytest.raises(NeedsAPerson, match=f"the notebook of {other}"):
            found(name, tmp_path, shape(answered(other, solutions(other))))

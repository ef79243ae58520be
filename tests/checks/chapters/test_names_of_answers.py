"""What a learner writes keeps its name: no cell that the notebook gives takes it for something else."""

import ast
import json

import pytest

from course_utils.cells import as_python
from course_utils.chapters.chapter import chapters
from course_utils.checks.framework import load_exercise

EXERCISES = [chapter.name for chapter in chapters() if chapter.has_exercise]


def bound(source):
    """The names that a cell binds when it is run: assigned, gone through or defined, outside of functions."""
    found, waiting = set(), [ast.parse(as_python(source))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            continue
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        else:
            waiting += ast.iter_child_nodes(node)
    return found


def taken(cells, needs):
    """Cell -> the names that it binds of those that checks ask for and that are bound in answers.

    cells: {id: (is it an answer, source)}. needs: {question: names}.
    """
    asked = {name for names in needs.values() for name in names}
    own = {name for is_answer, source in cells.values() if is_answer for name in bound(source)} & asked
    given = {name: bound(source) & own for name, (is_answer, source) in cells.items() if not is_answer}
    return {name: names for name, names in given.items() if names}


def test_a_name_that_is_taken_is_seen():
    cells = {
        "q1-answer": (True, "def seconds(): ..."),
        "q2-try": (False, "for k in x:\n    seconds, n = 1, 2"),
    }
    assert taken(cells, {"q1": ("seconds",)}) == {"q2-try": {"seconds"}}
    for own in ("[seconds for seconds in x]", "def f():\n    seconds = 1", "seconds(3)"):
        assert taken(cells | {"q2-try": (False, own)}, {"q1": ("seconds",)}) == {}
    assert taken({"q1-given": (False, "seconds = 1")}, {"q1": ("seconds",)}) == {}, "no answer: it is given"


@pytest.mark.parametrize("exercise", EXERCISES)
def test_no_given_cell_takes_the_name_of_an_answer(root, exercise):
    notebook = json.loads((root / f"exercises/{exercise}/{exercise}.ipynb").read_text(encoding="utf-8"))
    cells = {
        cell["id"]: (cell["metadata"].get("nbgrader", {}).get("solution", False), "".join(cell["source"]))
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    }
    needs = {name: question.needs for name, question in load_exercise(exercise).questions.items()}
    assert taken(cells, needs) == {}

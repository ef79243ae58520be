"""Real exercises with full answers, in the shapes that editors leave a notebook in: they keep all their points."""

import ast
import copy
import json

import pytest

from course_utils.checks.framework import load_exercise
from course_utils.grading.run import executor
from course_utils.grading.run.reading import read_submission
from tests.grading import toy
from tests.grading.class_of_thirty import ROOT, answered, points, solutions
from tests.grading.edited import ids_as_in_colab, names_gone

pytestmark = pytest.mark.slow


def helpers_in_cells_of_their_own(notebook):
    """What an answer begins with (imports, a first function) stands in a cell of its own above it."""
    for cell, first in halved(notebook):
        place = notebook["cells"].index(cell)
        notebook["cells"].insert(place, toy.cell("code", f"own-{place}", first))


def answers_in_two_cells(notebook):
    """As JupyterLab splits a cell: both halves keep the metadata, and the second the id."""
    for cell, first in halved(notebook):
        place = notebook["cells"].index(cell)
        notebook["cells"].insert(place, copy.deepcopy(cell) | {"id": f"half-{place}", "source": first})


def halved(notebook):
    """(answer, its first half) of all that have two; an answer keeps its second half."""
    found = []
    for cell in filter(is_answer, notebook["cells"]):
        first, parted, rest = "".join(cell["source"]).partition("\n\n\n")
        if parted and is_python(first) and is_python(rest):
            cell["source"] = rest
            found.append((cell, first))
    return found


def is_answer(cell):
    return cell["cell_type"] == "code" and cell["metadata"].get("nbgrader", {}).get("solution", False)


def is_python(source):
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def answers_one_cell_lower(notebook):
    for name in [cell["id"] for cell in notebook["cells"]]:
        place = next(number for number, cell in enumerate(notebook["cells"]) if cell.get("id") == name)
        cell = notebook["cells"][place]
        if is_answer(cell):
            notebook["cells"].insert(place + 1, toy.cell("code", f"own-{place}", "".join(cell["source"])))
            cell["source"] = "raise NotImplementedError()"


def an_older_try_and_an_endless_cell_below(notebook):
    """Under the first answer; the endless one prints until it is stopped."""
    place = next(number for number, cell in enumerate(notebook["cells"]) if is_answer(cell))
    name = "".join(notebook["cells"][place]["source"]).partition("def ")[2].partition("(")[0]
    notebook["cells"].insert(place + 1, toy.cell("code", "older", f"def {name}(*all):\n    return None"))
    notebook["cells"].insert(place + 2, toy.cell("code", "endless", "while True:\n    print('still here')"))


SHAPES = [
    ("04_evaluation", names_gone),
    ("04_evaluation", ids_as_in_colab),
    ("04_evaluation", helpers_in_cells_of_their_own),
    ("04_evaluation", answers_in_two_cells),
    ("04_evaluation", an_older_try_and_an_endless_cell_below),
    ("00_start_here", names_gone),
    ("00_start_here", answers_one_cell_lower),
]  # fmt: skip


@pytest.mark.parametrize(("name", "shape"), SHAPES, ids=lambda each: getattr(each, "__name__", each))
def test_full_answers_keep_their_points(tmp_path, name, shape):
    exercise = load_exercise(name)
    notebook = answered(name, solutions(name))
    shape(notebook)
    path = tmp_path / f"{name}.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    released = executor.read_released(ROOT / "exercises" / name / f"{name}.ipynb")
    clocks = executor.Clocks(cell=60, total=exercise.cell_seconds * 20)
    keys = executor.secret_keys(b"a secret", "ann")
    graded = executor.grade(released, read_submission(path), exercise, keys, clocks)
    assert sum(report.points or 0 for report in graded.reports.values()) == points(name)

"""A toy exercise, released once for all tests of this folder."""

import json
import shutil

import pytest

from course_utils.checks.framework import Rung, _Sheet
from course_utils.grading.desk import autograde
from course_utils.grading.gradebook import release
from course_utils.grading.run import executor
from course_utils.grading.run.journal import Entry, Journal, Stamp
from course_utils.grading.run.reading import Cell, read_submission
from tests.grading import toy


@pytest.fixture(scope="session")
def solutions(tmp_path_factory):
    """A folder of solutions with the toy exercise in it."""
    folder = tmp_path_factory.mktemp("course") / "solutions"
    toy.write_solutions(folder)
    return folder


@pytest.fixture(scope="session")
def released_path(solutions):
    """The toy's released notebook."""
    out = solutions.parent / "exercises"
    release.build(solutions, out, [toy.NAME])
    return out / toy.NAME / f"{toy.NAME}.ipynb"


@pytest.fixture(scope="session")
def released(released_path):
    """The toy's released notebook, as JSON."""
    return json.loads(released_path.read_text(encoding="utf-8"))


@pytest.fixture
def grade(released_path, tmp_path):
    """A function that grades a notebook (a dict) with a secret and gives its `Graded`."""

    def grade(notebook, student="ann", clocks=executor.Clocks(cell=60, interrupt=10, total=600)):
        path = toy.write(tmp_path / f"{toy.NAME}.ipynb", notebook)
        keys = executor.secret_keys(b"a secret", student)
        released = executor.read_released(released_path)
        return executor.grade(released, read_submission(path), toy.exercise, keys, clocks)

    return grade


@pytest.fixture(scope="session")
def prepared(solutions):
    """A class's folder before anything is graded; making a gradebook takes seconds, copying one does not."""
    out = solutions.parent / "prepared"
    autograde.Writer(out).prepare(solutions, [toy.NAME])
    return out


@pytest.fixture
def out(tmp_path, prepared):
    """The folder of a class, with nothing graded in it."""
    shutil.copytree(prepared, tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def entry(released_path):
    """A graded submission: full marks in q1, none in q2, and words in q3."""
    notebook = executor.rebuild(
        executor.read_released(released_path), [Cell("markdown", "Words.", grade_id="q3")]
    )
    full, none = toy.exercise.find("q1"), toy.exercise.find("q2")
    reports = {"q1": full._report(Rung.RIGHT, 4.0, _Sheet()), "q2": none.stopped("it died")}
    for cell in notebook.cells:
        name = executor.question_of(cell)
        if name:
            cell.outputs = executor.check_outputs(reports[name])
    return Entry("ann", toy.NAME, Stamp("a", "b", "c"), reports, notebook)


@pytest.fixture
def graded(out, entry):
    """The folder of a class of one, graded."""
    writer = autograde.Writer(out)
    with writer.open():
        writer.write(entry)
    Journal(out / "journal").put(entry)
    return out

"""A toy exercise, released once for all tests of this folder."""

import json

import pytest

from course_utils.grading import autograde, executor, release
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

    def grade(notebook, student="ann", limits=executor.Limits(cell=60, interrupt=10, total=600)):
        path = toy.write(tmp_path / f"{toy.NAME}.ipynb", notebook)
        keys = executor.secret_keys(b"a secret", student)
        released = executor.read_released(released_path)
        return executor.grade(released, executor.read_submission(path), toy.exercise, keys, limits)

    return grade


@pytest.fixture(scope="session")
def prepared(solutions):
    """A class's folder before anything is graded; making a gradebook takes seconds, copying one does not."""
    out = solutions.parent / "prepared"
    autograde.Writer(out).prepare(solutions, [toy.NAME])
    return out

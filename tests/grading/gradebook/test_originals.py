"""What an exercise looked like when it was released does not depend on the copies that people write in."""

import pytest

from course_utils.grading.gradebook.originals import original
from course_utils.grading.run.executor import read_released
from course_utils.grading.run.reading import Ungradable
from tests.grading import toy


def test_a_clone_builds_it_from_the_solutions(solutions, released_path, tmp_path):
    assert original(toy.NAME, solutions, tmp_path) == read_released(released_path)


def test_an_edition_brings_it_along(released_path, tmp_path):
    (tmp_path / toy.NAME).mkdir()
    (tmp_path / toy.NAME / f"{toy.NAME}.ipynb").write_bytes(released_path.read_bytes())
    assert original(toy.NAME, tmp_path / "none", tmp_path) == read_released(released_path)


def test_an_exercise_that_does_not_exist(tmp_path):
    with pytest.raises(Ungradable, match="no exercise 99_none"):
        original("99_none", tmp_path, tmp_path)

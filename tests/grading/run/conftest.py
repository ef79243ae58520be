"""A grader of the toy exercise, and submissions to it."""

import pytest

from course_utils.grading.run.batch import Grader, Submission
from tests.grading import toy


@pytest.fixture
def grader(released_path):
    """What grades the toy, with a secret of its own."""
    return Grader(released_path.parents[1], b"a secret of sixteen")


@pytest.fixture
def hand_in(tmp_path, released):
    """A function that hands answers in for a student, and gives the `Submission`."""

    def hand_in(student, **answers):
        place = tmp_path / "submitted" / student / toy.NAME
        toy.write(place / f"{toy.NAME}.ipynb", toy.submission(released, **answers))
        return Submission(student, toy.exercise, place)

    return hand_in

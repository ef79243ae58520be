"""What the tests of the exercises' checks share."""

import pytest

from course_utils.course import start


@pytest.fixture(scope="module")
def course(request):
    """The course as the exercise under test sets it up: the module's EXERCISE, offline."""
    return start(request.module.EXERCISE, profile="offline", device="cpu")

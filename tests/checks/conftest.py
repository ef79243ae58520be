"""What the tests of the exercises' checks share."""

import functools

import pytest

from course_utils.course import start
from course_utils.datasets import corpora


@pytest.fixture(scope="module")
def course(request):
    """The course as the exercise under test sets it up: the module's EXERCISE, offline."""
    return start(request.module.EXERCISE, profile="offline", device="cpu")


@pytest.fixture(scope="module", autouse=True)
def rows_written_once():
    """The rows of a draw are written once for all answers that are judged on it; nobody can change a frame."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpora, "frame", functools.lru_cache(maxsize=64)(corpora.frame))
        yield

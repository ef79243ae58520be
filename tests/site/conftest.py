"""The site that most tests of this folder look at."""

import pytest

from course_utils.site import build
from tests.site import built


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """One chapter and everything else, as they would be published by somebody/workbook on GitHub."""
    return built.small_site(tmp_path_factory)


@pytest.fixture(scope="session")
def whole_site(tmp_path_factory):
    """The site without an address of its sources, as `make site` makes it in a copy without git."""
    return build.build(tmp_path_factory.mktemp("whole") / "site")

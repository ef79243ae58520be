"""What somebody may have meant."""

from course_utils.near import nearest


def test_the_nearest_name():
    assert nearest("relase", ["release", "report"]) == "release"
    assert nearest("xyzzy", ["release", "report"]) == nearest("a", []) == ""

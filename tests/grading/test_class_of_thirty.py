"""A class of thirty gets what was written down for it beforehand, though the grader was killed half way."""

import pytest

from tests.grading import class_of_thirty


def test_there_are_thirty_of_them(tmp_path):
    expected = class_of_thirty.hand_in(tmp_path / "submitted")
    assert len(expected) == 30
    assert len(set(expected.values())) > 5


@pytest.mark.slow
@pytest.mark.exhaustive
def test_the_class(tmp_path, capsys):
    assert class_of_thirty.main(tmp_path) == 0, capsys.readouterr().out
    for exercise in class_of_thirty.CLASS:
        for kind in ("canvas", "moodle"):
            assert len((tmp_path / f"{exercise}-{kind}.csv").read_text().splitlines()) >= 3

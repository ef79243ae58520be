"""`course hint` from the shell."""

import pytest

from course_utils.checks.framework import load_exercise
from course_utils.checks.learner import hints

QUESTION = load_exercise("06_full_fine_tuning").find("q1")


@pytest.mark.parametrize(
    "given",
    [
        "06_full_fine_tuning",
        "exercises/06_full_fine_tuning",
        "exercises/06_full_fine_tuning/06_full_fine_tuning.ipynb",
        "exercises/06_full_fine_tuning/",
    ],
)
def test_a_hint_by_name_folder_or_notebook(given, capsys):
    assert hints.main([given, "q1"]) == 0
    said = capsys.readouterr().out
    assert QUESTION.hints[0] in said
    assert "level 2" in said


def test_levels(capsys):
    assert hints.main(["06_full_fine_tuning", "q1", "--level", "3"]) == 0
    assert QUESTION.hints[2] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["06_full_fine_tuning", "q77"], "has no question 'q77'"),
        (["99_nothing", "q1"], "no exercise '99_nothing'"),
    ],
)
def test_what_does_not_exist_is_said(words, said, capsys):
    assert hints.main(words) == 2
    assert said in capsys.readouterr().err

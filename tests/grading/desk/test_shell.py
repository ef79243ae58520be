"""`course check` says what the notebook's own check says."""

import json

import pytest

from course_utils.grading.desk import shell
from tests.grading import toy


@pytest.fixture
def check(released, released_path, tmp_path):
    def check(*arguments, **answers):
        toy.write(tmp_path / toy.NAME / f"{toy.NAME}.ipynb", toy.submission(released, **answers))
        return shell.main([str(tmp_path / toy.NAME), *arguments, "--released", str(released_path)])

    return check


def test_all_right(check, capsys):
    assert check(**toy.ANSWERS) == 0
    said = capsys.readouterr().out
    assert "q1  Double: 4 of 4 points (right)" in said
    assert "An instructor reads" in said
    assert "6 of 6 points, and 5 that an instructor gives" in said


def test_not_started(check, capsys):
    assert check() == 1
    assert "Not started yet" in capsys.readouterr().out


def test_one_question(check, capsys):
    assert check("q2", q2=toy.ANSWERS["q2"]) == 0
    assert "q1" not in capsys.readouterr().out


def test_json(check, capsys):
    check("--json", **toy.ANSWERS)
    rows = json.loads(capsys.readouterr().out)
    assert [row["points"] for row in rows] == [4, 2, None]


def test_a_hint_and_the_card(capsys):
    assert shell.main([toy.NAME, "--hint", "q1", "--level", "3"]) == 0
    assert shell.main([f"exercises/{toy.NAME}/", "--card"]) == 0
    said = capsys.readouterr().out
    assert "a worked example of something similar: 3 * 3" in said
    assert "5 to 10 minutes" in said


@pytest.mark.parametrize(
    "arguments", [["44_none"], ["exercises/44_none/44_none.ipynb"], [toy.NAME, "--hint", "q9"]]
)
def test_what_is_not_there(arguments, capsys):
    assert shell.main(arguments) == 2
    assert "course check:" in capsys.readouterr().err


def test_an_unknown_question(check, capsys):
    assert check("q9") == 2
    assert "its questions are q1, q2, q3" in capsys.readouterr().err


def test_a_broken_notebook(tmp_path, released_path, capsys):
    path = tmp_path / toy.NAME / f"{toy.NAME}.ipynb"
    path.parent.mkdir()
    path.write_text("{")
    assert shell.main([str(path), "--released", str(released_path)]) == 2
    assert "not a notebook" in capsys.readouterr().err

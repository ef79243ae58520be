"""A learner's package holds the notebook and a receipt says what was packed."""

import hashlib
import json
import shutil
import zipfile

import pytest

from course_utils.grading.desk import shell, submit
from tests.grading import toy


@pytest.fixture
def notebook(released, tmp_path):
    return toy.write(
        tmp_path / f"{toy.NAME}.ipynb", toy.submission(released, q1=toy.ANSWERS["q1"], q3="Words.")
    )


def hand_in(notebook, released_path, folder, *arguments):
    return submit.main([str(notebook), "--to", str(folder), "--released", str(released_path), *arguments])


def test_the_package_holds_the_notebook_and_nothing_else(notebook, released_path, tmp_path, capsys):
    assert hand_in(notebook, released_path, tmp_path / "out", "--json") == 0
    receipt = json.loads(capsys.readouterr().out)
    package = tmp_path / "out" / receipt["package"]
    assert receipt["sha256"] == hashlib.sha256(package.read_bytes()).hexdigest()
    assert (receipt["answered"], receipt["questions"]) == (2, 3)
    with zipfile.ZipFile(package) as opened:
        assert opened.namelist() == [f"{toy.NAME}.ipynb"]
        assert opened.read(f"{toy.NAME}.ipynb") == notebook.read_bytes()
    assert json.loads(package.with_suffix(".receipt.json").read_text()) == receipt


def test_the_same_notebook_gives_the_same_hash(notebook, released_path, tmp_path):
    receipts = [submit.submit(toy.NAME, notebook, tmp_path / name, released_path) for name in ("a", "b")]
    assert receipts[0].sha256 == receipts[1].sha256
    notebook.write_text(notebook.read_text() + " ")
    assert submit.submit(toy.NAME, notebook, tmp_path / "a", released_path).sha256 != receipts[0].sha256


def test_the_receipt_is_told_in_words(notebook, released_path, tmp_path, capsys):
    hand_in(notebook, released_path, tmp_path)
    said = capsys.readouterr().out
    assert "2 of 3 cells worked on" in said
    assert f"Hand in {toy.NAME}-" in said


def test_an_untouched_notebook_is_packed_with_a_question(released, released_path, tmp_path, capsys):
    notebook = toy.write(tmp_path / f"{toy.NAME}.ipynb", released)
    assert hand_in(notebook, released_path, tmp_path) == 0
    assert "No answer was worked on" in capsys.readouterr().err


def test_a_lost_answer_cell_is_told_before_handing_in(released, released_path, tmp_path, capsys):
    book = toy.submission(released, **toy.ANSWERS)
    lost = next(cell for cell in book["cells"] if cell.get("id") == "q1-answer")
    book["cells"].remove(lost)
    notebook = toy.write(tmp_path / f"{toy.NAME}.ipynb", book)
    assert hand_in(notebook, released_path, tmp_path) == 0
    assert "The answer cell q1 is not in your notebook" in capsys.readouterr().err
    reports = shell.check_notebook(toy.NAME, notebook, released_path)
    assert "The answer cell q1 is not in your notebook" in capsys.readouterr().err
    assert reports[0].points == 0


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<!DOCTYPE html><html>", "is a web page, and no notebook"),
        (b"import torch\n", "is a Python file, and no notebook"),
        (b'{"cells": [{"cell_type": "code", "source": "setup(exercise=\'04_evaluation\')"}]}', "the notebook of 04_eval"),
    ],
)  # fmt: skip
def test_something_else_is_named_and_not_packed(data, words, released_path, tmp_path, capsys):
    notebook = tmp_path / f"{toy.NAME}.ipynb"
    notebook.write_bytes(data)
    assert hand_in(notebook, released_path, tmp_path) == 1
    assert words in capsys.readouterr().err
    assert not list(tmp_path.glob("*.zip"))


@pytest.mark.parametrize(("text", "words"), [("{broken", "broken JSON"), (None, "there is no notebook")])
def test_what_could_not_be_graded_is_not_packed(text, words, released_path, tmp_path, capsys):
    notebook = tmp_path / f"{toy.NAME}.ipynb"
    if text:
        notebook.write_text(text)
    assert hand_in(notebook, released_path, tmp_path) == 1
    assert words in capsys.readouterr().err
    assert not list(tmp_path.glob("*.zip"))


def test_where_learners_work_it_is_compared_with_the_release_and_not_with_itself(
    root, tmp_path, monkeypatch, capsys
):
    name = "07_catastrophic_forgetting"
    work = tmp_path / "exercises" / name
    shutil.copytree(root / "exercises" / name, work)
    notebook = json.loads((work / f"{name}.ipynb").read_text(encoding="utf-8"))
    answers = [cell for cell in notebook["cells"] if cell["metadata"].get("nbgrader", {}).get("solution")]
    for cell in answers[:3]:
        cell["source"] = "mine = 1"
    toy.write(work / f"{name}.ipynb", notebook)
    (tmp_path / "lessons").mkdir()
    (tmp_path / "lessons" / "index.ipynb").touch()
    monkeypatch.chdir(tmp_path)
    for named in (f"exercises/{name}", name):  # the folder, and the bare name from where the learner works
        assert submit.main([named]) == 0
        said = capsys.readouterr().out
        assert f"3 of {len(answers)} cells worked on" in said
        assert f"Hand in {name}-" in said

"""A disk that fills at any stage is said in a sentence, what is missing is named, and `--resume` completes it."""

import errno
import os
import shutil

import pytest

from course_utils.grading.desk import autograde
from course_utils.grading.gradebook import reports, writer
from course_utils.grading.gradebook.writer import Writer
from course_utils.grading.run.journal import Journal
from tests.grading import toy

SEED = "0123456789abcdef" * 4


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


#: Each stage, what writes there, and the words by which it is missed.
STAGES = {
    "release": (Writer, "prepare", "could not be written"),
    "journal": (Journal, "put", "its line in the journal"),
    "journal's note": (Journal, "written", "in the journal, that all of it is written"),
    "notebooks": (Writer, "_lay", "its marks and notebooks"),
    "gradebook": (writer, "put_marks", "its marks and notebooks"),
    "nbgrader's page": (writer._Feedback, "convert", "its pages"),
    "our page": (writer.learners_page, "page", "its pages"),
    "results": (reports, "write_results", "could not be written"),
    "grades": (reports, "write_grades", "could not be written"),
}


@pytest.fixture
def grade(tmp_path, solutions, released, prepared):
    """A function that grades a class of two; its folder is `tmp_path / "out"`."""
    for student, answers in {"ann": toy.ANSWERS, "bob": {}}.items():
        path = tmp_path / "submitted" / student / toy.NAME / f"{toy.NAME}.ipynb"
        toy.write(path, toy.submission(released, **answers))
    shutil.copytree(prepared, tmp_path / "out")
    (tmp_path / "out/grading.seed").write_text(SEED)
    options = ["--out", str(tmp_path / "out"), "--solutions", str(solutions)]
    return lambda *more: autograde.main([str(tmp_path / "submitted"), *options, *more])


def is_whole(out):
    """Whether all is there that a class of these two has."""
    pages = {f"{toy.NAME}.html", "report.html"}
    grades = (out / "grades.csv").read_text().splitlines()
    return (
        {line.split(",")[0]: line.split(",")[2] for line in grades[1:]} == {"ann": "6", "bob": "0"}
        and len((out / "results.jsonl").read_text().splitlines()) == 6
        and all(
            (out / "autograded" / one / toy.NAME / f"{toy.NAME}.ipynb").exists() for one in ("ann", "bob")
        )
        and all(
            pages <= {path.name for path in (out / "feedback" / one / toy.NAME).glob("*.html")}
            for one in ("ann", "bob")
        )
        and all(entry.notebook is None for entry in Journal(out / "journal"))
        and not list(out.rglob("*.draft"))
    )


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_disk_that_fills_is_named_and_what_is_missing_is_completed(
    stage, grade, tmp_path, monkeypatch, capsys
):
    holder, name, words = STAGES[stage]
    with monkeypatch.context() as filled:
        filled.setattr(holder, name, full)
        assert grade() == 1
    said = capsys.readouterr().err
    assert words in said and "No space left on device" in said and "--resume" in said
    assert "Traceback" not in said
    assert grade("--resume") == 0, capsys.readouterr().err
    assert is_whole(tmp_path / "out")


def test_half_a_page_is_no_page(grade, tmp_path, monkeypatch):
    def half(self, student, exercise):
        place = tmp_path / "out/feedback" / student / exercise
        place.mkdir(parents=True)
        (place / f"{exercise}.html").write_text("<html><bo")
        full()

    monkeypatch.setattr(writer._Feedback, "convert", half)
    assert grade() == 1
    assert not list((tmp_path / "out/feedback").rglob("*.html"))


def test_a_gradebook_that_does_not_open_is_said_in_a_sentence(grade, tmp_path, capsys):
    (tmp_path / "out/gradebook.db").write_text("no data base " * 100)
    assert grade() == 1
    said = capsys.readouterr().err
    assert "course grade:" in said and "not a database" in said and "Traceback" not in said

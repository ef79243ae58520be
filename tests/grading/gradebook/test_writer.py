"""The class's folder: the gradebook is whole, late penalties are nbgrader's, and settings are kept."""

import json
import logging
from dataclasses import replace

import nbformat
import pytest
from nbgrader.api import Gradebook
from sqlalchemy import text

from course_utils.grading.gradebook import release, writer
from course_utils.grading.gradebook.writer import WriteError, Writer, handed_in
from tests.grading import toy


def score(out, student="ann"):
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as book:
        found = book.find_submission(toy.NAME, student)
        return found.score, found.late_submission_penalty or 0


def test_marks_notebook_and_feedback_are_in_their_places(out, entry):
    with Writer(out).open() as each:
        each.write(entry)
        each.write_feedback(entry)
    assert score(out) == (4, 0)
    autograded = nbformat.read(out / "autograded" / "ann" / toy.NAME / f"{toy.NAME}.ipynb", as_version=4)
    assert autograded == entry.notebook
    submitted = nbformat.read(out / "submitted" / "ann" / toy.NAME / f"{toy.NAME}.ipynb", as_version=4)
    assert not [cell for cell in submitted.cells if cell.get("outputs")]
    assert [cell.source for cell in submitted.cells] == [cell.source for cell in autograded.cells]
    pages = sorted(path.name for path in (out / "feedback" / "ann" / toy.NAME).iterdir())
    assert {f"{toy.NAME}.html", "report.html"} <= set(pages)


def test_writing_twice_is_writing_once(out, entry):
    for _ in range(2):
        with Writer(out).open() as each:
            each.write(entry)
    assert score(out) == (4, 0)


def test_marks_that_cannot_all_be_written_are_not_written_at_all(out, entry, monkeypatch):
    with Writer(out).open() as each:
        each.write(entry)
        put_marks = writer.put_marks

        def half(*given):
            put_marks(*given)
            raise OSError("disk full")

        monkeypatch.setattr(writer, "put_marks", half)
        with pytest.raises(WriteError, match="disk full"):
            each.write(entry)
    assert score(out) == (0, 0)


def test_a_full_gradebook_is_said_in_a_sentence(out, entry):
    def write_many(each):
        for number in range(200):
            each.write(replace(entry, student=f"ann{number}"))

    with Writer(out).open() as each:
        each._book.db.execute(text("PRAGMA max_page_count = 1"))  # no more than there are
        with pytest.raises(WriteError, match="database or disk is full"):
            write_many(each)
        shown = logging.getLogger("tornado.application")  # where nbgrader puts the traceback
        assert not shown.isEnabledFor(logging.ERROR)
    assert shown.isEnabledFor(logging.ERROR)


def test_a_notebook_that_cannot_be_laid_down_leaves_no_marks(out, entry, monkeypatch):
    with Writer(out).open() as each:
        each.write(entry)
        monkeypatch.setattr(writer.nbformat, "writes", lambda notebook: "\ud800")
        with pytest.raises(WriteError, match="surrogates"):
            each.write(entry)
    assert score(out) == (0, 0)


def test_what_the_journal_keeps_no_longer_cannot_be_written_again(out, entry):
    with Writer(out).open() as each, pytest.raises(WriteError, match="no longer kept"):
        each.write(replace(entry, notebook=None))


def test_nothing_is_written_into_a_gradebook_that_is_not_open(out, entry):
    with pytest.raises(RuntimeError, match="with writer.open"):
        Writer(out).write(entry)


def test_a_late_penalty_is_the_classes_own(out, entry):
    settings = out / "nbgrader_config.py"
    settings.write_text(
        settings.read_text() + "\nc = get_config()\nc.LateSubmissionPlugin.penalty_method = 'zero'\n"
    )
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as book:
        book.update_or_create_assignment(toy.NAME, duedate="2026-11-20 10:00:00 UTC")
    with Writer(out).open() as each:
        entry.handed_in = "2026-11-20 09:00:00 UTC"
        each.write(entry)
        assert score(out) == (4, 0)
        entry.handed_in = "2026-11-20 11:00:00 UTC"
        each.write(entry)
        assert score(out) == (4, 4)
        entry.handed_in = None  # nobody is late who was not timed
        each.write(entry)
        assert score(out) == (4, 0)


def test_settings_that_an_instructor_changed_are_kept(out, solutions):
    (out / "nbgrader_config.py").write_text("# mine\n")
    Writer(out).prepare(solutions, [])
    assert (out / "nbgrader_config.py").read_text() == "# mine\n"


def test_a_gradebook_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    class Fails:
        def __init__(self, *arguments):
            raise OSError("no space")

    monkeypatch.setattr(writer, "Gradebook", Fails)
    with pytest.raises(OSError, match="no space"):
        Writer(tmp_path).prepare(tmp_path, [])
    assert not (tmp_path / "gradebook.db").exists()


def test_files_that_belong_to_the_exercise_lie_beside_the_notebook(out, entry):
    (out / "release" / toy.NAME / "picture.png").write_bytes(b"x")
    with Writer(out).open() as each:
        each.write(entry)
    assert (out / "autograded" / "ann" / toy.NAME / "picture.png").exists()


def test_a_time_stamp(tmp_path):
    (tmp_path / "timestamp.txt").write_text("2026-11-20 11:00:00 +01:00")
    assert handed_in(tmp_path) == "2026-11-20 10:00:00 UTC"


@pytest.mark.parametrize("text", ["yesterday", "\x00", "9" * 10**6, "05.11.2026 10:00 UTC"])
def test_a_time_stamp_that_nobody_can_read_is_refused(tmp_path, text):
    (tmp_path / "timestamp.txt").write_text(text)
    with pytest.raises(ValueError, match="ISO 8601|time zone"):
        handed_in(tmp_path)


def test_no_time_stamp_or_an_empty_one_is_none(tmp_path):
    assert handed_in(tmp_path) is None
    (tmp_path / "timestamp.txt").write_text(" \n")
    assert handed_in(tmp_path) is None


def test_a_time_stamp_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "x").write_text("2026-11-20 10:00:00 UTC")
    (tmp_path / "timestamp.txt").symlink_to(tmp_path / "x")
    with pytest.raises(ValueError, match="no file of its own"):
        handed_in(tmp_path)


def test_a_time_stamp_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "timestamp.txt").write_bytes("2026-11-20 10:00 Z\u00fcrich".encode("latin-1"))
    with pytest.raises(ValueError, match="not UTF-8"):
        handed_in(tmp_path)


def test_the_releases_points_are_the_gradebooks(out):
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as book:
        assert book.find_assignment(toy.NAME).max_score == toy.exercise.points
    assert json.loads((out / "release" / toy.NAME / f"{toy.NAME}.ipynb").read_text())["cells"]
    assert release.exercise_names(out / "source") == [toy.NAME]

"""`course feedback` puts on a learner's pages what a person gave after the grading."""

import os
import signal
from dataclasses import replace

import pytest
from nbgrader.api import Gradebook

from course_utils.grading.desk import feedback
from course_utils.grading.gradebook import reports, writer
from course_utils.grading.gradebook.alone import only_writer
from course_utils.grading.gradebook.writer import Writer
from course_utils.grading.run.journal import Journal
from tests.grading import toy


@pytest.fixture
def graded(out, entry):
    """A class of one whose marks and pages are written."""
    journal = Journal(out / "journal")
    with Writer(out).open() as each:
        each.write(entry)
        each.write_feedback(entry)
    journal.written(entry)
    reports.write_results(out / "results.jsonl", reports.results_of(entry))
    return out


def mark_by_hand(out, points, comment=""):
    """What formgrader does when an instructor fills in a score and a comment."""
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as book:
        [notebook] = book.find_submission(toy.NAME, "ann").notebooks
        [grade] = [grade for grade in notebook.grades if grade.name == "q3"]
        grade.manual_score, grade.needs_manual_grade = points, False
        [written] = [each for each in notebook.comments if each.name == "q3"]
        written.manual_comment = comment
        book.db.commit()


def pages(out):
    folder = out / "feedback" / "ann" / toy.NAME
    return [(folder / name).read_text(encoding="utf-8") for name in ("report.html", f"{toy.NAME}.html")]


def test_points_and_words_of_a_person_reach_both_pages_and_the_table(graded, capsys):
    assert "4 of 6 points, and 5 that an instructor gives" in pages(graded)[0]
    mark_by_hand(graded, 4.0, "Say how many.")
    assert feedback.main([str(graded)]) == 0
    ours, theirs = pages(graded)
    assert "8 of 11 points" in ours and "that an instructor gives" not in ours
    assert "4 of 5 points" in ours and "Your instructor: Say how many." in ours
    assert "Say how many." in theirs
    assert "ann,98_toy,8,11,0,graded," in (graded / "grades.csv").read_text()
    said = capsys.readouterr().out
    assert "1 pages in" in said and "waits for a person" not in said


def test_what_still_waits_is_named(graded, capsys):
    assert feedback.main([str(graded), "--exercise", toy.NAME]) == 0
    assert f"waits for a person: ann {toy.NAME}" in capsys.readouterr().out
    assert "not marked yet" in pages(graded)[0]


def test_a_page_that_fails_is_named_and_the_others_are_written(graded, capsys, monkeypatch):
    monkeypatch.setattr(writer.learners_page, "page", lambda *_, **__: 1 / 0)
    assert feedback.main([str(graded)]) == 1
    assert f"no page for ann {toy.NAME}: division by zero" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda out: (out / "gradebook.db").unlink(), "run `course grade"),
        (lambda out: (out / "journal" / toy.NAME / "ann.json").unlink(), "nothing is graded of any exercise"),
    ],
)
def test_where_nothing_is_graded_it_says_so(graded, capsys, change, words):
    change(graded)
    assert feedback.main([str(graded)]) == 1
    assert words in capsys.readouterr().err


def test_an_unknown_exercise_is_said_with_those_there_are(graded, capsys):
    assert feedback.main([str(graded), "--exercise", "99_x"]) == 1
    assert f"nothing is graded of 99_x; there is {toy.NAME}" in capsys.readouterr().err


def test_one_learners_pages_only(graded, capsys):
    for page in (graded / "feedback").rglob("*.html"):
        page.write_text("old")
    assert feedback.main([str(graded), "--student", "bob"]) == 1
    assert "nothing is graded of bob" in capsys.readouterr().err
    assert "old" in pages(graded)
    assert feedback.main([str(graded), "--student", "ann"]) == 0
    assert "old" not in pages(graded)


def test_it_waits_for_nobody_else_who_writes(graded, capsys, monkeypatch):
    import fcntl

    def taken(*_):
        raise OSError

    monkeypatch.setattr(fcntl, "lockf", taken)
    assert feedback.main([str(graded)]) == 1
    assert "wait for it to end" in capsys.readouterr().err
    monkeypatch.undo()
    with only_writer(graded):
        pass


@pytest.fixture
def three(graded):
    """Two learners more, with ann's work; the pages of one cannot be made."""
    journal = Journal(graded / "journal")
    with Writer(graded).open() as each:
        for student in ("bob", "cy"):
            entry = replace(journal.find("ann", toy.NAME), student=student)
            entry.notebook = each.graded_before(journal.find("ann", toy.NAME))
            each.write(entry)
            journal.written(entry)
    (graded / "autograded" / "cy" / toy.NAME / f"{toy.NAME}.ipynb").write_text("{broken")
    return graded


def test_pages_are_written_side_by_side_as_in_turn(three, capsys):
    assert feedback.main([str(three)]) == 1
    in_turn = {path: path.read_text() for path in (three / "feedback").rglob("*.html")}
    assert len(in_turn) == 4
    for path in in_turn:
        path.write_text("old")
    capsys.readouterr()
    assert feedback.main([str(three), "--jobs", "2"]) == 1
    assert {path: path.read_text() for path in (three / "feedback").rglob("*.html")} == in_turn
    said = capsys.readouterr()
    assert f"no page for cy {toy.NAME}: " in said.err and "2 pages in" in said.out


def test_a_process_that_is_killed_leaves_no_page_unmentioned(three, capsys, monkeypatch):
    monkeypatch.setattr(feedback, "_part", _killed)
    assert feedback.main([str(three), "--jobs", "2"]) == 1
    assert f"no page for ann {toy.NAME}: its process ended" in capsys.readouterr().err


def _killed(out, entries):
    os.kill(os.getpid(), signal.SIGKILL)

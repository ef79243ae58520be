"""The learner's own record: what is kept, what survives, and what a damaged one still gives."""

import json
import multiprocessing
import os
import subprocess
import sys

import pytest

from course_utils.checks.framework import Exercise, register
from course_utils.checks.learner import progress
from course_utils.checks.report import Report


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / progress.FILE


@pytest.fixture
def workbook(tmp_path, monkeypatch, place):
    """Two exercises: 91 with 2 and 3 points and one more by hand, 92 with 4."""
    for name, points in (("91_first", (2, 3)), ("92_second", (4,))):
        made = Exercise(name, title=f"Title <{name}>", minutes=5, difficulty="easy", cost="nothing")
        for number, worth in enumerate(points, 1):
            made.question(f"q{number}", title=f"Do {number}", points=worth)(lambda answer, draw: None)
        if name == "91_first":
            made.manual("q9", title="Judge", points=1)
        register(made)
        (tmp_path / "exercises" / name).mkdir(parents=True)
    (tmp_path / "exercises" / "notes of my own").mkdir()
    monkeypatch.setattr(progress, "workplace", lambda: tmp_path)


def report(exercise="91_first", question="q1", points=2.0, of=2.0):
    return Report(exercise, question, "title", points, of, "right")


def test_the_best_result_counts(place, workbook):
    for points in (1.0, 2.0, 0.0):
        assert progress.record(report(points=points))
    first, second = progress.overview()[0]
    assert (first.earned, first.reachable, first.by_hand) == (2, 5, 1)
    assert (second.earned, second.reachable, second.by_hand) == (0, 4, 0)
    assert first.next_question == "q2"


def test_it_survives_a_restart(place):
    progress.record(report())
    script = "from course_utils.checks.learner import progress; print(progress.read().best)"
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=600
    ).stdout
    assert said.strip() == str({("91_first", "q1"): 2.0})


def test_it_is_the_users_alone(place):
    progress.record(report())
    assert place.stat().st_mode & 0o077 == 0
    assert set(json.loads(place.read_text())) == {"exercise", "question", "points", "of", "time"}


def test_what_is_marked_by_hand_or_ungraded_is_not_recorded(place):
    assert not progress.record(report(points=None))
    assert not place.exists()


def test_the_next_question_is_in_the_chapter_last_worked_on(workbook):
    def named(last=None):
        standings, entries = progress.overview()
        found = progress.next_up(standings, last or entries.last)
        return found and (found.name, found.next_question)

    assert named() == ("91_first", "q1"), "nothing done yet: the first question of all"
    progress.record(report("92_second", "q1", 1.0, 4.0))
    assert named() == ("92_second", "q1")
    progress.record(report("92_second", "q1", 4.0, 4.0))
    assert named() == ("91_first", "q1"), "a finished chapter gives way to the first unfinished one"
    progress.record(report())
    progress.record(report(question="q2", points=3.0, of=3.0))
    assert named() is None
    assert "full points" in progress.progress_text()


@pytest.mark.parametrize(
    "damage",
    [
        b'{"exercise": "91_first", "quest', b"\xff\xfe\x00garbage\n", b"[1, 2]\n", b'"text"\n', b"null\n", b"[" * 100_000 + b"\n",
        b'{"exercise": "91_first", "question": "q1", "points": NaN}\n', b'{"exercise": "91_first", "question": "q1", "points": "2"}\n',
        b'{"exercise": ["91_first"], "question": "q1", "points": 2}\n', b'{"exercise": "91_first", "question": "q1", "points": true}\n',
    ],
)  # fmt: skip
def test_a_damaged_record_gives_what_can_be_read(place, workbook, damage):
    progress.record(report())
    with place.open("ab") as file:
        file.write(damage)
    progress.record(report(question="q2", points=3.0, of=3.0))
    assert progress.overview()[0][0].earned == 5
    assert "1 damaged lines" in progress.progress_text()


def test_points_that_cannot_be_are_cut(place, workbook):
    progress.record(report(points=1e9))
    progress.record(report("92_second", "q1", -5.0))
    progress.record(report("93_gone", "q1"))
    assert [one.earned for one in progress.overview()[0]] == [2, 0]


def test_a_record_that_cannot_be_read_or_written_spoils_no_check(place, workbook):
    place.mkdir(parents=True)  # a folder in the file's place
    assert not progress.record(report())
    text = progress.progress_text()
    assert "could not be read" in text
    assert "notebooks are untouched" in text


def _write_many(data, question):
    os.environ["COURSE_DATA"] = data
    for _ in range(200):
        progress.record(report(question=question))


def test_two_notebooks_may_write_at_once(place):
    context = multiprocessing.get_context("fork")
    writers = [
        context.Process(target=_write_many, args=(os.environ["COURSE_DATA"], f"q{number}"))
        for number in (1, 2)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(300)
    found = progress.read()
    assert found.unreadable == 0
    assert len(place.read_text().split()) >= 400
    assert set(found.best) == {("91_first", "q1"), ("91_first", "q2")}


def test_the_text_and_the_card_tell_the_same(place, workbook):
    progress.record(report())
    text, html = progress.progress_text(), progress.progress_html()
    assert "91_first   ####........  2 of 5 points (+1 by hand)" in text
    for found in (text, html):
        assert "2 of 5 points" in found
        assert "Next: q2, Do 2. It is in exercises/91_first/91_first.ipynb" in found
        assert "stays on this computer" in found
    assert "Title &lt;91_first&gt;" in html
    assert "<script" not in html


def test_the_command(place, workbook, capsys):
    progress.record(report())
    assert progress.main(["--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["next"], found["chapters"][0]["earned"]) == ("91_first", 2)
    assert progress.main([]) == 0
    assert "2 of 5 points" in capsys.readouterr().out
    assert progress.main(["--forget"]) == 0
    assert not place.exists()
    assert progress.main(["--forget"]) == 0


def test_the_real_workbook_is_found(place):
    names = [exercise.name for exercise in progress.exercises()]
    assert "06_full_fine_tuning" in names
    assert names == sorted(names)


def test_where_it_lies(monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_DATA", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert progress.folder() == tmp_path / "course-workbook"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert progress.folder().parts[-3:] == (".local", "share", "course-workbook")

"""A question on files of `course fetch`, graded where they are missing and where they are there."""

import dataclasses
import json

import pytest

from course_utils.checks import render
from course_utils.checks.framework import GIVEN_TO_ALL
from course_utils.fetched.entry import fetched_files
from course_utils.fetched.registry import FETCHED
from course_utils.grading.desk import autograde
from course_utils.grading.run import warm
from course_utils.wire.answer import LocalTransport
from tests.grading import toy


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of this test's own; q2 of the toy works on the sentences."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    question = dataclasses.replace(toy.exercise.find("q2"), fetched=("opinions",))
    monkeypatch.setitem(toy.exercise.questions, "q2", question)


@pytest.fixture
def fetched():
    FETCHED["opinions"].folder.mkdir(parents=True)


@pytest.fixture
def submitted(tmp_path, released):
    path = tmp_path / "submitted" / "ann" / toy.NAME / f"{toy.NAME}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(toy.submission(released, q1=toy.ANSWERS["q1"], q2="counts = None")))
    return tmp_path / "submitted"


def judged():
    return toy.exercise.find("q2").run(LocalTransport({"counts": {"a": 2, "b": 1}}, None))


def test_without_the_files_it_does_not_count_and_says_how_to_get_them():
    report = judged()
    assert (report.rung, report.points) == ("left out", None)
    said = render.report_text(report)
    assert "points that do not count here" in said and "`course fetch`" in said and "Right, but" not in said
    others = [toy.exercise.find("q1").given_to_all(), report]
    assert render.total_text(others, toy.exercise) == "4 of 4 points, and 5 that an instructor gives"
    assert "do not count here" in render.report_html(report)


def test_with_the_files_it_is_judged_as_any_other(fetched):
    assert judged().points == 2


def test_grading_says_before_it_starts_that_files_are_missing(submitted, out, solutions, capsys):
    arguments = [str(submitted), "--out", str(out), "--solutions", str(solutions)]
    assert autograde.main(arguments) == 1
    said = capsys.readouterr().err
    assert f"{toy.NAME} q2" in said and "(opinions)" in said
    assert "Run `course fetch` here" in said and "--leave-out-fetched" in said
    assert not (out / "results.jsonl").exists()


@pytest.mark.slow
def test_left_out_for_everybody_each_gets_the_points_and_the_report_says_so(submitted, out, solutions):
    arguments = [str(submitted), "--out", str(out), "--solutions", str(solutions)]
    assert autograde.main([*arguments, "--leave-out-fetched"]) == 0
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    scores = {row["question"]: row["score"] for row in rows}
    assert (scores["q1"], scores["q2"]) == (4, 2)
    page = (out / "feedback" / "ann" / toy.NAME / "report.html").read_text()
    assert GIVEN_TO_ALL in page and "Right, but" not in page
    FETCHED["opinions"].folder.mkdir(parents=True)  # a mark given for nothing is no mark of this answer
    assert autograde.main([*arguments, "--resume"]) == 0
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert {row["question"]: row["score"] for row in rows}["q2"] == 0


@pytest.mark.slow
def test_the_sandbox_sees_the_files_and_cannot_change_them(fetched):
    place = FETCHED["opinions"].folder / "made"
    place.mkdir()
    (place / "note.txt").write_text("whole")
    for imports in ((), ("datasets",)):  # a model needs no `datasets`: exercise 05
        assert str(fetched_files().resolve()) in warm.shared_data(imports)
    nursery = warm.Nursery("auto", ())
    try:
        child = nursery.start()
        source = (
            "from course_utils.fetched import FETCHED, ready\n"
            "note = FETCHED['opinions'].folder / 'made' / 'note.txt'\n"
            "print(ready('opinions'), note.read_text())\n"
            "try:\n    note.write_text('changed')\nexcept OSError:\n    print('refused')\n"
        )
        sent = warm_run(child, source)
        child.stop()
    finally:
        nursery.close()
    assert "True whole" in sent and "refused" in sent and (place / "note.txt").read_text() == "whole"


def warm_run(child, source):
    from course_utils.wire import codec
    from course_utils.wire.pipes import RUN

    reply = child.pipe.exchange(RUN, codec.encode(source), 300, codec.DATA.bytes)
    return str(codec.decode(reply))

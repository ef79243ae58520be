"""Files that people and spreadsheets read."""

import json

from course_utils.grading.gradebook import reports
from course_utils.grading.gradebook.reports import QuestionResult
from tests.grading import toy


def result(student, question="q1", score=1.0, **changes):
    fields = {
        "student": student,
        "exercise": toy.NAME,
        "question": question,
        "score": score,
        "max": 4,
        "status": "graded",
        "message": "",
        "seconds": 1.0,
    }
    return QuestionResult(**(fields | changes))


def test_new_results_replace_the_old_ones_of_the_same_submission(tmp_path):
    path = tmp_path / "results.jsonl"
    reports.write_results(path, [result("ann"), result("ann", "q2"), result("bob")])
    rows = reports.write_results(path, [result("ann", score=3.0)])
    assert [(row["student"], row["question"], row["score"]) for row in rows] == [
        ("ann", "q1", 3.0),
        ("bob", "q1", 1.0),
    ]
    assert [json.loads(line) for line in path.read_text().splitlines()] == rows
    assert [file.name for file in tmp_path.iterdir()] == ["results.jsonl"]


def test_a_report_becomes_a_result():
    question = toy.exercise.find("q1")
    made = reports.result_of("ann", question.ungraded("the disk is full"), 1.234)
    assert (made.score, made.max, made.status, made.message, made.seconds) == (
        None,
        4,
        "ungraded",
        "the disk is full",
        1.23,
    )
    assert reports.result_of("ann", toy.exercise.find("q3").run(None), 0).status == "by hand"


def test_a_spreadsheet_meets_no_formula():
    assert reports.spreadsheet_text("=1+1") == "'=1+1"
    assert reports.spreadsheet_text("@x") == "'@x"
    assert reports.spreadsheet_text("ann") == "ann"
    assert reports.spreadsheet_text("") == ""

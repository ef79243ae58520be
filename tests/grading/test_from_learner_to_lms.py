"""The whole way of an answer: packed, taken in, graded, exported."""

import json

from course_utils.grading.desk import autograde, collect, export, submit
from tests.grading import toy


def test_the_whole_way(tmp_path, solutions, released, released_path, capsys):
    inbox, submitted, out = tmp_path / "inbox", tmp_path / "submitted", tmp_path / "class"
    receipts = {}
    for student, answers in (
        ("ann", {"q1": toy.ANSWERS["q1"], "q2": toy.ANSWERS["q2"]}),
        ("bob", {"q2": toy.ANSWERS["q2"]}),
    ):
        notebook = toy.write(tmp_path / student / f"{toy.NAME}.ipynb", toy.submission(released, **answers))
        assert (
            submit.main(
                [str(notebook), "--to", str(inbox / student), "--released", str(released_path), "--json"]
            )
            == 0
        )
        receipts[student] = json.loads(capsys.readouterr().out)["sha256"]
    (inbox / "eve").mkdir()
    (inbox / "eve" / "work.zip").write_bytes(b"PK\x03\x04 no zip")
    places = ["--solutions", str(solutions)]
    assert collect.main([str(inbox), "--out", str(submitted), *places]) == 0
    recorded = (tmp_path / "submitted-collected.csv").read_text()
    assert all(digest in recorded for digest in receipts.values())
    assert autograde.main([str(submitted), "--out", str(out), *places]) == 0
    capsys.readouterr()
    assert export.main([str(out), "--to", "moodle"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        'ann,6,"q1 4 of 4, q2 2 of 2, q3 0 of 5"',
        'bob,2,"q1 0 of 4, q2 2 of 2, q3 0 of 5"',
    ]

"""Marks leave the gradebook as Canvas and Moodle read them, and only final ones do."""

import csv
import io
import json
import shutil
import subprocess
import sys
from datetime import datetime

import pytest
from nbgrader.api import Gradebook

from course_utils.grading.desk import exporters
from course_utils.grading.desk.export import main
from course_utils.grading.gradebook import policy
from tests.grading import toy

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's own queries


@pytest.fixture
def folder(prepared, tmp_path):
    """A class's folder with four submissions in its gradebook, marked without running anything."""
    out = tmp_path / "class"
    shutil.copytree(prepared, out)
    lines = []
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as book:
        for student, (points, by_hand, late) in STUDENTS.items():
            submission = submitted(book, student, points, by_hand)
            submission.timestamp = datetime(2026, 11, 20, 12, 30 if late else 0)
            lines += [
                line(student, "q1", points),
                line(student, "q2", 0),
                line(student, "q3", None, 3, "by hand"),
            ]
        book.db.commit()
    (out / "results.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    (out / policy.NAME).write_text(POLICY)
    return out


# points for q1 (None: ungraded), for q3 by hand (None: waits), whether late
STUDENTS = {"ann": (4, 5, False), "bob": (1, 2, True), "cy": (None, 5, False), "dan": (4, None, False)}
POLICY = f"""
[due]
{toy.NAME} = 2026-11-20T12:00:00Z
[late]
deduct_percent = {100 * 2 / 11}  # two of the toy's points
"""


def submitted(book, student, points, by_hand):
    book.update_or_create_student(student)
    submission = book.update_or_create_submission(toy.NAME, student)
    for name, score in (("q1-check", points), ("q2-check", 0), ("q3", by_hand)):
        grade = book.find_grade(name, toy.NAME, toy.NAME, student)
        grade.manual_score, grade.auto_score = (score, None) if name == "q3" else (None, score)
        grade.needs_manual_grade = score is None
    return submission


def line(student, question, score, most=4, status=None):
    status = status or ("ungraded" if score is None else "graded")
    return {"student": student, "exercise": toy.NAME, "question": question, "score": score, "max": most, "status": status, "message": "why"}  # fmt: skip


def export(folder, *arguments):
    return main([str(folder), *arguments])


def rows(text):
    return list(csv.reader(io.StringIO(text)))


def test_moodle(folder, capsys):
    assert export(folder, "--to", "moodle", "--id-column", "Email address") == 0
    out, err = capsys.readouterr()
    assert rows(out) == [
        ["Email address", toy.NAME, f"{toy.NAME} (feedback)"],
        ["ann", "9", "q1 4 of 4, q2 0 of 2, q3 5 of 5"],
        ["bob", "1", "q1 1 of 4, q2 0 of 2, q3 2 of 5, late: -2"],
    ]
    assert "left out: cy (q1: why)" in err
    assert "left out: dan (needs a person)" in err
    assert "2 marks exported, 2 left out" in err


def test_canvas_without_a_template(folder, capsys):
    assert export(folder, "--to", "canvas") == 0
    found = rows(capsys.readouterr().out)
    assert found[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", toy.NAME]
    assert found[1] == ["    Points Possible", "", "", "", "", "11"]
    assert found[2:] == [["ann", "", "", "ann", "", "9"], ["bob", "", "", "bob", "", "1"]]


TEMPLATE = f"""Student,ID,SIS User ID,SIS Login ID,Section,Essay (7),{toy.NAME} (4711),Final Score
    Points Possible,,,,,10,11,(read only)
"Smith, Ann",1,S1,ann,A,9,,50
"Jones, Bob",2,S2,bob,A,,3,20
"Lee, Cy",3,S3,cy,B,,,
"""


def test_canvas_with_its_own_export_as_template(folder, tmp_path, capsys):
    template = tmp_path / "template.csv"
    template.write_text("\ufeff" + TEMPLATE.replace("bob", "bobby"), encoding="utf-8")
    out = tmp_path / "import.csv"
    assert export(folder, "--to", "canvas", "--template", str(template), "--out", str(out)) == 0
    assert rows(out.read_text()) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", f"{toy.NAME} (4711)"],
        ["    Points Possible", "", "", "", "", "11"],
        ["Smith, Ann", "1", "S1", "ann", "A", "9"],
    ]
    assert "not in the template: bob" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (TEMPLATE.replace(toy.NAME, "Other"), "no column '98_toy'"),
        (TEMPLATE.replace("Essay", toy.NAME), "more than one column"),
        (TEMPLATE.replace("ann", "x").replace("bob", "y"), "no student of the class"),
        (TEMPLATE.replace("bob", "ann"), "ann more than once under 'SIS Login ID'"),
        ("Name,Grade\nann,3\n", "has no column ID"),
    ],
)
def test_templates_that_do_not_fit(folder, tmp_path, capsys, changed, words):
    template = tmp_path / "template.csv"
    template.write_text(changed)
    assert export(folder, "--to", "canvas", "--template", str(template)) == 1
    assert words in capsys.readouterr().err


def test_a_template_with_names_in_two_columns_semicolons_and_decimal_commas(folder, tmp_path, capsys):
    template = tmp_path / "template.csv"
    template.write_text(
        f"LastName;FirstName;ID;SIS User ID;SIS Login ID;Integration ID;Section;{toy.NAME} (4711);Final Score\n"
        "    Points Possible;;;;;;;11,00;(read only)\n"
        "Smith;Ann;1;S1;ann;;A;;50,5\n"
        "Jones;Bob;2;S2;bob;i2;A;3,00;20\n"
    )
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as book:
        book.find_grade("q3", toy.NAME, toy.NAME, "ann").manual_score = 4.5
        book.db.commit()
    assert export(folder, "--to", "canvas", "--template", str(template)) == 0
    found = list(csv.reader(io.StringIO(capsys.readouterr().out), delimiter=";"))
    columns = ["LastName", "FirstName", "ID", "SIS User ID", "SIS Login ID", "Integration ID", "Section"]
    assert found == [
        [*columns, f"{toy.NAME} (4711)"],
        ["    Points Possible", "", "", "", "", "", "", "11"],
        ["Smith", "Ann", "1", "S1", "ann", "", "A", "8,5"],
        ["Jones", "Bob", "2", "S2", "bob", "i2", "A", "1"],
    ]


def test_whoever_is_excused_there_stays_so(folder, tmp_path, capsys):
    template = tmp_path / "template.csv"
    template.write_text(TEMPLATE.replace("bob,A,,3", "bob,A,,EX"))
    assert export(folder, "--to", "canvas", "--template", str(template)) == 0
    out, err = capsys.readouterr()
    assert [row[3] for row in rows(out)[2:]] == ["ann"]
    assert "excused there, and left so: bob" in err and "1 marks exported" in err


def test_a_template_that_a_spreadsheet_saved_anew_is_named(folder, tmp_path, capsys):
    template = tmp_path / "template.csv"
    template.write_bytes(TEMPLATE.replace("Jones", "Jönsson").encode("latin-1"))
    assert export(folder, "--to", "canvas", "--template", str(template)) == 1
    assert "is not in UTF-8" in capsys.readouterr().err


def test_a_mark_that_a_person_changed_is_in_the_line_of_feedback(folder, capsys):
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as book:
        book.find_grade("q1-check", toy.NAME, toy.NAME, "bob").manual_score = 3
        book.db.commit()
    export(folder, "--to", "moodle")
    assert ["bob", "3", "q1 3 of 4, q2 0 of 2, q3 2 of 5, late: -2"] in rows(capsys.readouterr().out)


def test_marks_given_by_hand_since_the_grading_are_exported(folder, capsys):
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as book:
        for name, student, points in (("q1-check", "cy", 3), ("q3", "dan", 1)):
            grade = book.find_grade(name, toy.NAME, toy.NAME, student)
            grade.manual_score, grade.needs_manual_grade = points, False
        book.db.commit()
    export(folder, "--to", "moodle")
    assert [row[:2] for row in rows(capsys.readouterr().out)[1:]] == [
        ["ann", "9"],
        ["bob", "1"],
        ["cy", "8"],
        ["dan", "5"],
    ]
    assert ",graded," in (folder / "grades.csv").read_text().splitlines()[3]


def test_what_is_not_there(folder, tmp_path, capsys):
    assert export(tmp_path / "none", "--to", "moodle") == 1
    assert "there is no gradebook" in capsys.readouterr().err
    assert export(folder, "--to", "moodle", "--exercise", "44_none") == 1
    assert "nothing is graded of '44_none'" in capsys.readouterr().err


PLANTED = """
from course_utils.grading.desk.exporters.base import Exported, Exporter

class Slate(Exporter):
    name, title = "slate", "Slate"

    def export(self, marks, options):
        return Exported("".join(f"{student}={score:g};" for student, score in marks.scores.items()), ("nobody",))

EXPORTER = Slate()
"""


def test_a_platform_is_one_file(folder, tmp_path, monkeypatch, capsys):
    """A file in the folder is all that it takes."""
    (tmp_path / "planted").mkdir()
    (tmp_path / "planted" / "slate.py").write_text(PLANTED)
    before = set(exporters.exporters())
    monkeypatch.setattr(exporters, "__path__", [*exporters.__path__, str(tmp_path / "planted")])
    assert export(folder, "--to", "slate") == 0
    out, err = capsys.readouterr()
    assert out == "ann=9;bob=1;"
    assert "not in the template: nobody" in err and "1 marks exported" in err
    assert list(exporters.exporters()) == sorted({*before, "slate"})


def test_a_policy_that_was_changed_since_is_followed(folder, capsys):
    (folder / policy.NAME).write_text(POLICY.replace("12:00", "13:00") + f'[void]\n{toy.NAME} = ["q3"]\n')
    export(folder, "--to", "moodle")
    out, _ = capsys.readouterr()
    rows = {row[0]: row for row in csv.reader(io.StringIO(out))}
    assert (rows["ann"][1], rows["bob"][1], rows["dan"][1]) == ("4", "1", "4"), (
        "nobody is late, q3 counts for nobody"
    )
    assert "q3" not in rows["ann"][2]
    assert "q1 4 of 4, q2 0 of 2" in rows["ann"][2]
    totals = (folder / "totals.csv").read_text().splitlines()
    assert totals[1] == "ann,4,6,66.7,,,4"


def test_a_policy_with_a_fault_exports_nothing(folder, capsys):
    (folder / policy.NAME).write_text("[lat]\n")
    assert export(folder, "--to", "moodle") == 1
    out, err = capsys.readouterr()
    assert not out
    assert "did you mean 'late'" in err


def test_nothing_is_exported_while_a_class_is_graded(folder, capsys):
    busy = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    busy.stdout.readline()
    assert export(folder, "--to", "moodle") == 1
    busy.communicate(b"\n")
    assert "wait for it to end" in capsys.readouterr().err
    assert export(folder, "--to", "moodle") == 0


HOLD = """
import fcntl, sys
lock = open(sys.argv[1] + "/.lock", "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
"""

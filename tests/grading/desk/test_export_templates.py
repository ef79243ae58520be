"""Marks in files as Moodle, Gradescope, Google Classroom and spreadsheets write them."""

import csv
import io

import pytest
from nbgrader.api import Gradebook

from tests.grading import toy
from tests.grading.desk.test_export import export, folder, rows  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's own queries


@pytest.fixture
def filled(folder, tmp_path, capsys):  # noqa: F811
    """A function that fills in a template; what came of it, cell by cell, and what was said."""

    def fill(to, template, *arguments, coding="utf-8", separator=","):
        path, out = tmp_path / "template.csv", tmp_path / "import.csv"
        path.write_bytes(template.encode(coding))
        code = export(folder, "--to", to, "--template", str(path), "--out", str(out), *arguments)
        said = capsys.readouterr().err
        if code:
            return None, said
        text = out.read_bytes().decode("utf-8")
        return list(csv.reader(io.StringIO(text), delimiter=separator)), said

    return fill


@pytest.fixture
def half(folder):  # noqa: F811
    """Ann has half a point less."""
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as book:
        book.find_grade("q3", toy.NAME, toy.NAME, "ann").manual_score = 4.5
        book.db.commit()


@pytest.fixture
def roster(tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text("id,student\n123,ann\n124,bob\n")
    return str(path)


WORKSHEET = (
    "\ufeffIdentifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,"
    "Last modified (submission),Last modified (grade),Feedback comments\n"
    'Participant 123,"Smith, Ann",a@x.org,Submitted for grading,,11.00,Yes,"Friday, 20 November 2026, 10:00",-,\n'
    "Participant 124,Bob Jones,b@x.org,Submitted for grading,3.00,11.00,No,-,-,\n"
    "Participant 125,Bob Jones,c@x.org,No submission,,11.00,Yes,-,-,\n"
)


def test_moodles_worksheet(filled, roster):
    found, said = filled("moodle", WORKSHEET, "--roster", roster)
    assert found[0][0] == "\ufeffIdentifier", "as the file came"
    assert found[1:] == [
        ["Participant 123", "Smith, Ann", "a@x.org", "Submitted for grading", "9", "11.00", "Yes",
         "Friday, 20 November 2026, 10:00", "-", "q1 4 of 4, q2 0 of 2, q3 5 of 5"],
    ]  # fmt: skip
    assert "its grade cannot be changed there, and left so: bob" in said
    assert "1 marks exported" in said


def test_moodles_worksheet_of_another_maximum_is_said(filled, roster):
    assert "maximum there is 100.00, here 11" in filled("moodle", WORKSHEET.replace("11.00", "100.00"), "--roster", roster)[1]  # fmt: skip


def test_moodles_worksheet_in_another_language(filled, roster, half):
    german = (
        "ID,Vollständiger Name,E-Mail-Adresse,Status,Bewertung,Bestwertung,Zuletzt geändert (Bewertung),Feedback\n"
        'Teilnehmer/in123,Ann Smith,ann@x.org,Abgegeben,"0,00","11,00",-,\n'
    )
    arguments = ("--roster", roster, "--column", "Bewertung", "--feedback-column", "Feedback")
    found, said = filled("moodle", german, *arguments)
    assert found[1][4] == "8,5" and found[1][7].startswith("q1 4 of 4")
    assert "not in the template: bob" in said
    assert "no column '98_toy' (it has 'ID', 'Vollst" in filled("moodle", german, "--roster", roster)[1]


GRADEBOOK = (
    "First name;Last name;ID number;Email address;Assignment: 98_toy (Real);Assignment: 98_toy (Percentage);"
    "Assignment: 98_toy (Feedback);Last downloaded from this course\n"
    "Ann;Smith;ann;ann@x.org;-;-;;1790000000\n"
    "Bob;Smith;bob;bob@x.org;-;-;;1790000000\n"
)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_moodles_gradebook(filled, separator):
    found, _ = filled("moodle", GRADEBOOK.replace(";", separator), separator=separator)
    assert [row[4] for row in found[1:]] == ["9", "1"]
    assert found[2][6] == "q1 1 of 4, q2 0 of 2, q3 2 of 5, late: -2"


DOWNLOAD = (
    "First Name,Last Name,SID,Email,Sections,Total Score,Max Points,Status,Submission ID,Submission Time,"
    "Lateness (H:M:S),View Count,Submission Count,1: Double (4.0 pts)\n"
    "Ann,Smith,1001,ANN@x.org,,0.0,100.0,Ungraded,7,2026-11-20 10:00:00 +0100,00:00:00,0,1,0.0\n"
    "Ann,Smith,1002,,,,100.0,Missing,,,,,,\n"
)


def test_gradescopes_download_of_an_assignment(filled, tmp_path):
    (tmp_path / "mail.csv").write_text("id,student\nann@x.org,ann\n1002,bob\n")
    found, said = filled(
        "gradescope", DOWNLOAD, "--roster", str(tmp_path / "mail.csv"), "--id-column", "Email"
    )
    assert found == [
        ["First Name", "Last Name", "SID", "Email", "Sections", "Total Score", "Max Points", "Status"],
        ["Ann", "Smith", "1001", "ANN@x.org", "", "9", "11", "Graded"],
    ]
    assert "not in the template: bob" in said and "Gradescope imports no marks" in said


def test_gradescopes_download_of_a_course(filled):
    course = (
        "Name,SID,Email,98_toy,98_toy - Max Points,98_toy - Submission Time,98_toy - Lateness (H:M:S)\n"
        "Bob,bob,b@x.org,,10.0,,\n"
    )
    found, _ = filled("gradescope", course)
    assert found == [
        ["Name", "SID", "Email", "98_toy", "98_toy - Max Points"],
        ["Bob", "bob", "b@x.org", "1", "11"],
    ]


def test_gradescope_without_a_template(folder, capsys):  # noqa: F811
    export(folder, "--to", "gradescope")
    assert rows(capsys.readouterr().out)[1] == ["ann", "ann", "", "9", "11", "Graded"]


TABLE = (
    "Last Name,First Name,Email Address,Essay,98_toy\n,,Date,2026-11-01,2026-11-20\n,,Points,10,11\n"
    "Smith,Ann,Ann@x.org,7,\nJones,Bob,bob@x.org,,Excused\n"
)


def test_classrooms_table(filled, tmp_path):
    (tmp_path / "mail.csv").write_text("id,student\nann@x.org,ann\nbob@x.org,bob\n")
    found, said = filled("classroom", TABLE, "--roster", str(tmp_path / "mail.csv"))
    assert found[1:] == [
        ["", "", "Date", "2026-11-01", "2026-11-20"],
        ["", "", "Points", "10", "11"],
        ["Smith", "Ann", "Ann@x.org", "7", "9"],
        ["Jones", "Bob", "bob@x.org", "", "Excused"],
    ]
    assert "excused there, and left so: bob" in said


def test_classroom_without_a_template(folder, capsys):  # noqa: F811
    export(folder, "--to", "classroom")
    assert rows(capsys.readouterr().out) == [
        ["Email Address", toy.NAME], ["Points", "11"], ["ann", "9"], ["bob", "1"],
    ]  # fmt: skip


def test_a_plain_table(folder, capsys, half):  # noqa: F811
    assert export(folder, "--to", "plain") == 0
    assert rows(capsys.readouterr().out)[:2] == [
        ["student", "points", "max_points", "percent", "feedback"],
        ["ann", "8.5", "11", "77.3", "q1 4 of 4, q2 0 of 2, q3 4.5 of 5"],
    ]
    export(folder, "--to", "plain", "--separator", "semicolon")
    out = capsys.readouterr().out
    assert out.startswith("\ufeffstudent;points;")
    assert "\nann;8,5;11;77,3;" in out


def test_a_plain_template_keeps_what_stands_in_it(filled):
    table = "No;Who;Remark;Quiz\r\n1;ann;=1+1;4,5\r\n2;bob;;3,0\r\n3;zoe;;1,0\r\n"
    found, _ = filled("plain", table, coding="utf-16", separator=";")
    assert found == [
        ["\ufeffNo", "Who", "Remark", "Quiz", toy.NAME],
        ["1", "ann", "'=1+1", "4,5", "9"],
        ["2", "bob", "", "3,0", "1"],
        ["3", "zoe", "", "1,0", ""],
    ]


def test_a_column_called_otherwise(filled):
    found, _ = filled("plain", "who,Homework 8\nann,\n", "--column", "homework 8")
    assert found == [["who", "Homework 8"], ["ann", "9"]]
    canvas = "Student,ID,SIS Login ID,Section,Homework 8 (4711)\n"
    found, _ = filled("canvas", canvas + "Ann,1,ann,A,\n", "--column", "Homework 8")
    assert found[0][-1] == "Homework 8 (4711)" and found[2][-1] == "9"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("who,98_toy,98_toy\nann,,\n", "more than one column '98_toy'"),
        ("who,98_toy\nann,\nann,\n", "ann more than once under 'who'"),
        ("who,98_toy\nsam,\n", "no student of the class is in the template, by who, 98_toy"),
        ("", "is empty"),
    ],
)
def test_tables_that_do_not_fit(filled, table, words):
    assert words in filled("plain", table)[1]


def test_small_and_capital_letters_that_are_two_learners(filled, tmp_path):
    """As names they are one; as ids they may be two."""
    (tmp_path / "ids.csv").write_text("id,student\nX1,ann\nx1,bob\n")
    found, _ = filled("plain", "who,98_toy\nx1,\nX1,\n", "--roster", str(tmp_path / "ids.csv"))
    assert found[1:] == [["x1", "1"], ["X1", "9"]]

"""`course report class`: pages that work from a file, tables that can be read again, and clear errors."""

import csv
import re
from html.parser import HTMLParser

import pytest

from course_utils.checks.report import Rung
from course_utils.grading.desk import report
from course_utils.grading.gradebook import class_pages
from course_utils.grading.gradebook.class_figures import figures
from tests.grading import toy
from tests.grading.gradebook.test_class_figures import report as said
from tests.grading.gradebook.test_class_figures import submission

HOSTILE = "<script>alert(1)</script>\x1b[2J\u202e"


class Tags(HTMLParser):
    """The names of a page's tags, and what they link to."""

    def __init__(self, page):
        super().__init__()
        self.names, self.links = set(), set()
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.names.add(tag)
        self.links |= {value for name, value in attributes if name in ("href", "src")}


def rows(path):
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_pages_and_tables_of_a_class(graded, tmp_path, capsys):
    roster = tmp_path / "roster.csv"
    roster.write_text("id,student\n1,ann\n2,zoe\n", encoding="utf-8")
    assert report.main([str(graded), "--roster", str(roster)]) == 0
    folder = graded / "report"
    assert f"begin with {folder / 'index.html'}" in capsys.readouterr().out
    term, page = (folder / "index.html").read_text("utf-8"), (folder / f"{toy.NAME}.html").read_text("utf-8")
    assert f'href="{toy.NAME}.html"' in term
    assert "2 learners on the roster" in re.sub(r"\s+", " ", term)
    assert "zoe" in page
    assert [(row["student"], row["status"], row["points"]) for row in rows(folder / "learners.csv")] == [
        ("ann", "needs a person", "4"),
        ("zoe", "handed in nothing", ""),
    ]
    assert [(row["question"], row["marked"]) for row in rows(folder / "questions.csv")] == [
        ("q1", "1"),
        ("q2", "1"),
        ("q3", "0"),
    ]


def test_a_page_asks_for_nothing_from_elsewhere(graded):
    report.class_report(graded)
    for path in (graded / "report").glob("*.html"):
        tags = Tags(path.read_text("utf-8"))
        assert not {"script", "img", "iframe", "link", "object"} & tags.names
        assert not [link for link in tags.links if ":" in link or link.startswith("/")]


def test_what_a_learner_sent_is_text():
    bad = [submission("ann", 0.0, 0.0, q1=said("q1", 0.0, Rung.WRONG_VALUE.value, HOSTILE, HOSTILE))]
    page = class_pages.exercise_page(figures(toy.exercise, bad, [HOSTILE]), "now")
    assert "script" not in Tags(page).names
    assert "&lt;script&gt;" in page
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_many_names_are_left_to_the_table():
    found = figures(toy.exercise, [submission("ann", 4.0, 2.0)], [f"s{n:05}" for n in range(10_000)])
    page = class_pages.exercise_page(found, "now")
    assert "9900 more in learners.csv" in page
    assert len(page) < 50_000
    assert class_pages.learners_csv([found]).count("handed in nothing") == 10_000


def test_a_name_is_no_formula():
    found = figures(toy.exercise, [submission("=1+1", 4.0, 2.0)], [])
    assert "'=1+1" in class_pages.learners_csv([found])


@pytest.mark.parametrize("words", [["--exercise", "99_none"], []])
def test_what_is_missing_is_said(words, graded, tmp_path, capsys):
    folder = graded if words else tmp_path / "nothing"
    assert report.main([str(folder), *words]) == 1
    assert ("there is 98_toy" if words else "run `course grade") in capsys.readouterr().err


def test_one_exercise_alone(graded):
    written = report.class_report(graded, toy.NAME)
    assert {path.name for path in written} == {
        "index.html",
        f"{toy.NAME}.html",
        "questions.csv",
        "learners.csv",
    }

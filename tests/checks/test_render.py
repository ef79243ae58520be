"""What people see, and that nothing in it can run."""

import re
import time

import nbformat
import pytest

from course_utils.checks import render
from course_utils.checks.framework import Exercise, load_exercise
from course_utils.checks.report import PartResult, Report
from course_utils.install import ROOT

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def report(**changes):
    fields = {
        "exercise": "97_x",
        "question": "q1",
        "title": "Title",
        "points": 1.0,
        "max_points": 3.0,
        "rung": "wrong value",
    }
    parts = (PartResult("one", 1, 1, "right"), PartResult("two", 0, 2, "wrong value", "4", "5"))
    return Report(**(fields | {"parts": parts, "lesson": "lessons/a.ipynb", "hints": 3} | changes))


def exercise():
    made = Exercise("97_x", title="An exercise", minutes=20, difficulty="hard", cost="1 minute on two cores")
    made.question("q1", title="One", points=2.5, difficulty=3, hints=("a <b>", "c", "d"))(
        lambda answer, draw: None
    )
    made.manual("q2", title="Two", points=4)
    return made


def test_text():
    assert render.report_text(report()).splitlines() == [
        "q1  Title: 1 of 3 points (wrong value)",
        "  + one: 1 of 1",
        "  - two: 0 of 2",
        "      wrong value",
        "      expected 4",
        "      got      5",
        "  To read again: lessons/a.ipynb",
    ]


@pytest.mark.parametrize("field", ["title", "lesson", "question"])
def test_html_is_escaped(field):
    html = render.report_html(report(**{field: EVIL}))
    assert "<script" not in html
    assert "<img" not in html


def test_html_of_an_answer_is_escaped():
    html = render.report_html(report(parts=(PartResult(EVIL, 0, 3, EVIL, EVIL, EVIL),), notes=(EVIL,)))
    assert html.count("&lt;script&gt;") >= 4
    assert "<script" not in html
    assert "<img" not in html


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rung": "right", "points": 3.0, "parts": ()}, "3 of 3 points"),
        ({"rung": "right, but", "points": 3.0, "notes": ("slow",)}, "Right, but: slow"),
        ({"rung": "not started", "points": 0.0}, "Not started yet"),
        ({"rung": "the rest is not started", "points": 1.0}, "1 of 3 points"),
        ({"rung": "ungraded", "points": None, "notes": ("why",)}, "not marked yet"),
        ({"rung": "marked by hand", "points": None}, "An instructor reads"),
    ],
)
def test_every_rung_is_told(changes, words):
    assert words in render.report_text(report(**changes))
    assert words in render.report_html(report(**changes))


def test_a_lesson_is_a_link_to_its_place_where_it_can_be_reached():
    found = report(lesson="lessons/a b.ipynb#Who's next?")
    html = render.report_html(found, linked=True)
    assert (
        '<a href="../../lessons/a%20b.ipynb#Who%27s-next%3F">lessons/a b.ipynb, “Who&#x27;s next?”</a>'
        in html
    )
    assert "<a " not in render.report_html(found), "a page of feedback lies elsewhere"
    assert "To read again: lessons/a b.ipynb#Who's next?" in render.report_text(found)


def test_every_section_to_read_again_is_there():
    """Each question names a section of a lesson of its chapter."""
    missing = []
    for path in (ROOT / "solutions").glob("*/*.ipynb"):
        for question in load_exercise(path.stem).questions.values():
            lesson, _, section = question.lesson.partition("#")
            assert lesson.startswith(f"lessons/{path.stem}/"), (path.stem, question.name)
            if section not in headings(ROOT / lesson):
                missing.append((path.stem, question.name, section))
    assert not missing


def headings(path):
    cells = nbformat.read(path, as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return re.findall(r"^#+ (.*)$", text, re.MULTILINE)


def test_a_message_is_prose_in_which_code_is_marked():
    part = PartResult(
        "two", 0, 2, "wrong value",
        "item 0 of path(chapters, ['maps'], []) with chapters = {'a': ['b']} to be 'bread', as `path` said",
        "a text: \"x < y\"",
    )  # fmt: skip
    html = render.report_html(report(parts=(part,)))
    assert (
        "expected item 0 of <code>path(chapters, [&#x27;maps&#x27;], [])</code> with chapters = "
        "<code>{&#x27;a&#x27;: [&#x27;b&#x27;]}</code> to be <code>&#x27;bread&#x27;</code>, as <code>path</code> said"
    ) in html
    assert "got a text: <code>&quot;x &lt; y&quot;</code>" in html


def test_a_message_is_marked_in_no_time():
    began = time.monotonic()
    for evil in (
        "(" * 4000,
        "[(" * 2000,
        "a_" * 2000,
        "(a" * 2000 + ")" * 2000,
        "'" * 3999,
        "f(" * 1000 + ")",
    ):
        render.report_html(report(parts=(PartResult("two", 0, 2, "wrong value", evil, evil),)))
    assert time.monotonic() - began < 10


def test_a_right_answer_is_not_sent_back_to_the_lesson():
    assert "To read again" not in render.report_text(report(rung="right", points=3.0))


def test_hints_lead_on_to_the_next():
    question = exercise().find("q1")
    assert render.hint_text(question, 1).startswith("q1, a nudge: a <b>\n")
    assert "level 2" in render.hint_text(question, 1)
    assert "level" not in render.hint_text(question, 3)
    assert "a &lt;b&gt;" in render.hint_html(question, 1)
    with pytest.raises(ValueError, match="levels 1"):
        render.hint_text(question, 4)
    assert "no hints" in render.hint_text(exercise().find("q2"), 1)


def test_the_exercise_card():
    text = render.exercise_text(exercise())
    for words in ("20 to 30 minutes", "hard", "6.5 points", "1 minute on two cores", "marked by hand"):
        assert words in text
        assert words in render.exercise_html(exercise())


def test_the_total_tells_the_hand_marked_points_apart():
    assert (
        render.total_text([report(max_points=2.5)], exercise())
        == "1 of 2.5 points, and 4 that an instructor gives"
    )

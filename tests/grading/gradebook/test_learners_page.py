"""A learner's page tells what came of each question, and nothing in it runs."""

import html.parser

from course_utils.checks.testing import judge_source
from course_utils.grading.gradebook.learners_page import SHOWN_CHARACTERS, Mark, page
from tests.grading import toy


class Reader(html.parser.HTMLParser):
    """The tags and the text of a page; a page that is not well formed fails."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self._open = [], "", []
        self.feed(text)
        assert not self._open, self._open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta",):
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data


def made(source, student="ann"):
    report = judge_source(toy.exercise, "q1", source)
    return page(student, toy.exercise, [report])


def test_what_was_expected_what_came_and_where_to_read_on():
    read = Reader(made("def double(n):\n    return 2 * n if n < 10 else 0"))
    for words in (
        "q1 · Double",
        "0 of 4 points",
        "one number: 0 of 1",
        "every number: 0 of 3",
        "expected",
        "came",
        "lessons/toy.ipynb",
    ):
        assert words in read.text, words
    assert "A person reads and marks this answer." in read.text
    assert "5 points, not marked yet" in read.text


def test_a_right_answer_is_said_to_be_right():
    text = made("def double(n):\n    return 2 * n")
    assert '<section class="right">' in text
    assert "4 of 4 points" in text
    assert "To read again" not in Reader(text).text.split("q2 ·")[0]


def test_a_stub_is_not_begun_rather_than_wrong():
    text = made("def double(n):\n    raise NotImplementedError()")
    assert '<section class="waiting">' in text
    assert '<section class="wrong">' not in text
    assert "Not started yet." in Reader(text).text


def test_a_value_that_is_still_none_may_wait_for_another_question():
    report = judge_source(toy.exercise, "q2", "counts = None")
    text = Reader(page("ann", toy.exercise, [report])).text
    assert (
        "Not started yet: `counts` is still None; if your answer is written, it waits for a question before it."
        in text
    )


def test_what_a_person_gave_counts_and_what_waits_is_said():
    reports = [
        judge_source(toy.exercise, "q1", toy.ANSWERS["q1"]),
        judge_source(toy.exercise, "q2", "counts = {}"),
    ]
    before = Reader(page("ann", toy.exercise, reports)).text
    assert "4 of 6 points, and 5 that an instructor gives" in before
    marks = {"q2": Mark(1.5), "q3": Mark(3.5, "Give the <n>.")}
    after = page("ann", toy.exercise, reports, marks, late_penalty=2.0)
    text = Reader(after).text
    assert "7 of 11 points (9, less 2 for handing in late)" in text and "that an instructor gives" not in text
    assert "3.5 of 5 points" in text and "Your instructor: Give the <n>." in text
    assert (
        "changed by a person" in text.split("q2 ·")[1].split("q3 ·")[0]
        and text.count("changed by a person") == 1
    )
    assert '<meter min="0" max="11" value="7">' in after


def test_an_answer_by_hand_that_was_left_blank_waits_for_nobody():
    text = Reader(page("ann", toy.exercise, [], {"q3": Mark(0.0, blank=True)})).text
    last = text.split("q3 ·")[1]
    assert "0 of 5 points" in last and "Nothing is written here." in last and "A person reads" not in last


def test_an_ungraded_question_says_why():
    text = page(
        "ann",
        toy.exercise,
        [toy.exercise.find("q1").ungraded("the disk is full")],
        why="the disk is full",
    )
    assert "ungraded: the disk is full" in text
    assert "Not marked: the disk is full" in Reader(text).text
    assert "<meter" not in text


def test_nothing_in_it_runs_or_is_fetched():
    evil = "</code></style><script>alert(1)</script><img src=x onerror=alert(1)>"
    text = made(f"def double(n):\n    raise ValueError({evil!r})", student=evil)
    read = Reader(text)
    assert "alert(1)" in read.text
    assert not {"script", "img", "a", "link", "iframe"} & {tag for tag, _ in read.tags}
    assert not any(name.startswith("on") or name in ("src", "href") for _, each in read.tags for name in each)
    assert any("default-src 'none'" in each.get("content", "") for _, each in read.tags)


def test_long_texts_and_control_characters_are_kept_out():
    report = toy.exercise.find("q1").stopped("\x1b[2J\u202e" + "x" * 10_000)
    text = Reader(page("ann", toy.exercise, [report])).text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert text.count("x") < SHOWN_CHARACTERS + 100


def test_a_cell_that_printed_without_end_is_named():
    text = page("ann", toy.exercise, [], endless=["q2", "while True: print('<b>')"])
    assert "A cell was stopped, as it printed without end: q2. Look for a loop that never ends." in text
    assert "&lt;b&gt;" in text and "<b>" not in text

"""A learner's markdown is shown with nothing in it that runs, and otherwise as it was written."""

import html
import html.parser
import re

import pytest
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from course_utils.grading.run.defused import MARKDOWN_CHARACTERS, defused
from tests.attacks.markup import CORPUS

HARMLESS = {
    "a",
    "p",
    "code",
    "pre",
    "div",
    "span",
    "em",
    "strong",
    "br",
    "ul",
    "ol",
    "li",
    "h1",
    "h2",
    "h3",
    "blockquote",
    "hr",
}


class Tags(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def rendered(text):
    return Tags(markdown2html_mistune(defused(text))).found


@pytest.mark.parametrize("text", CORPUS)
@pytest.mark.parametrize("before", ["", "words ", "> ", "- ", "# ", "| a |\n|---|\n| "])
def test_nothing_runs(text, before):
    for tag, attributes in rendered(before + text):
        assert tag in HARMLESS | {"table", "thead", "tbody", "tr", "th", "td"}, (tag, attributes)
        assert not any(name.startswith("on") or name == "src" for name in attributes)
        assert re.match(r"https?://|#", attributes.get("href", "#"))
    assert not re.search(r"\\[A-Za-z]", defused(before + text)), "no TeX command is left"


def test_pictures_are_not_fetched():
    assert not any(
        tag == "img"
        for tag, _ in rendered("![x](https://example.org/pixel.png) ![y][z]\n\n[z]: https://example.org")
    )


@pytest.mark.parametrize(
    "text",
    [
        "Plain words, 1 < 2 and a > b, *stressed* and **strong**.",
        "1. a list\n2. of things\n\n- with `code[0]` and\n- more",
        "A [link](https://example.org/page) to the web.",
        "```python\nx = [1, 2][0]\n```",
        "a & b, \u00e9, \u4e2d",
    ],
)
def test_honest_prose_stays_as_it_is(text):
    assert defused(text) == text


def test_tex_is_shown_as_it_was_written():
    text = "$\\frac{1}{2}$ and $$\\alpha < \\beta$$"
    assert defused(text) != text
    assert defused(text).replace("\u2060", "") == text, "an eye sees no difference"


@pytest.mark.parametrize(
    "text", ["&#36;&#92;href{x}{y}&#36;", "&dollar;&bsol;href{x}{y}&dollar;", "&#x5c;href"]
)
def test_references_spell_no_command(text):
    assert not re.search(
        r"\\[A-Za-z]", html.unescape(markdown2html_mistune(defused(text))).replace("&amp;", "&")
    )
    assert text in html.unescape(markdown2html_mistune(defused(text)))


def test_a_long_answer_is_cut_and_says_so():
    assert "the rest is left out" in defused("x" * (MARKDOWN_CHARACTERS + 1))
    assert len(defused("x" * 10**6)) < MARKDOWN_CHARACTERS + 100

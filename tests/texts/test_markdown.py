"""An exercise in another language has other words, and the same cells, code and marks."""

import json

import pytest

from course_utils.checks.testing import ROOT
from course_utils.texts import markdown, po
from course_utils.texts.markdown import Tongue, tongue
from course_utils.texts.po import TextEntry

NAME = "00_start_here"
FILES = sorted(markdown.CATALOGUES.glob("*.po"))
SOURCE = "# One\n\nTwo\nlines.\n   \n\n- a\n- b\n```python\nx = 1\n\n# One\n```\nLast.\n"


def released():
    return (ROOT / "exercises" / NAME / f"{NAME}.ipynb").read_bytes()


def without_words(data):
    notebook = json.loads(data)
    for cell in markdown.given_markdown(notebook):
        cell["source"] = None
    return notebook


def test_texts_are_paragraphs_and_what_is_between_stays():
    assert markdown.texts(SOURCE) == ["# One", "Two\nlines.", "- a\n- b", "Last."]
    said = Tongue("xx", "X", {"# One": "# Eins", "Last.": "Zuletzt."})
    german = "# Eins\n\nTwo\nlines.\n   \n\n- a\n- b\n```python\nx = 1\n\n# One\n```\nZuletzt.\n"
    assert said.source(SOURCE) == german
    assert Tongue("xx", "X", {}).source(SOURCE) == SOURCE
    assert markdown.texts("") == []


def test_without_translations_a_notebook_is_the_same_bytes():
    data, said, count = Tongue("xx", "X", {}).notebook(released())
    assert data == released()
    assert (said, count) == (0, len(markdown.gathered()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_translation_keeps_code_links_and_form(path):
    entries = po.read(path.read_text(encoding="utf-8"))[1]
    assert [fault for entry in entries for fault in markdown.faults(entry)] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Call `path`.", "Ruf `pfad` auf."),
        ("[All](../index.ipynb)", "[Alle](index.ipynb)"),
        ("## Two", "# Zwei"),
        ("- a\n- b", "- a und b"),
        ("| a |\n|---|", "| a |"),
        ("One.", "Eins.\n\nZwei."),
    ],
)
def test_other_code_another_link_or_form_is_a_fault(text, said):
    assert list(markdown.faults(TextEntry(text, said)))
    assert not list(markdown.faults(TextEntry(text, text)))
    assert not list(markdown.faults(TextEntry(text)))


def test_the_first_exercise_is_german_and_all_but_its_words_is_the_same():
    data, said, count = tongue("de").notebook(released())
    assert said == count > 0
    assert without_words(data) == without_words(released())
    cells = zip(json.loads(data)["cells"], json.loads(released())["cells"], strict=True)
    given = [english["id"] for german, english in cells if german["source"] != english["source"]]
    assert given == [cell["id"] for cell in markdown.given_markdown(json.loads(released()))]
    assert "Übung 0: Hier geht es los" in data.decode()


def test_an_exercise_that_only_shares_a_line_stays_english():
    data = (ROOT / "exercises/01_the_hub/01_the_hub.ipynb").read_bytes()
    assert tongue("de").notebook(data)[:2] == (data, 0)


def test_a_source_is_known_in_every_language():
    assert markdown.versions("## Question 3: read the output") == {
        "## Question 3: read the output",
        "## Frage 3: die Ausgabe lesen",
    }


def test_a_language_that_there_is_none_of():
    with pytest.raises(LookupError, match="no exercises in the language 'xx', but in de"):
        tongue("xx")

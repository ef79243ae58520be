"""Another language is data that is shown: it follows the code's texts, has their fields, and moves no mark."""

import gettext
import io

import pytest

from course_utils.checks import render
from course_utils.checks.framework import load_exercise
from course_utils.checks.report import PartResult, Report
from course_utils.checks.testing import answer_source, namespace
from course_utils.grading.gradebook import learners_page, reports
from course_utils.texts import catalogue, extract, po
from course_utils.texts.catalogue import Template, say, speaking
from course_utils.texts.po import TextEntry
from course_utils.wire.answer import LocalTransport

EXERCISE = "00_start_here"
FILES = sorted(catalogue.FOLDER.glob("*.po"))
NO_WORDS = (
    "(model, tokenizer, ",
    "(query, key, value",
    "path(chapters, ",
    "train(accelerator",
    "https://",
    "museum",
)


def entries(path):
    return po.read(path.read_text(encoding="utf-8"))[1]


def test_the_catalogues_are_those_of_the_code(capsys):
    assert extract.main(["--check"]) == 0, "run: course texts"
    assert "have a translation" in capsys.readouterr().out


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_translation_has_the_fields_of_its_text_and_no_markup(path):
    assert [fault for entry in entries(path) for fault in extract.faults(entry)] == []
    assert not [entry.translation for entry in entries(path) if "<" in entry.translation]


@pytest.mark.parametrize(
    "said", ["{count}", "{count} {what} {more}", "{what} {what}", "{what:>9} {count}", "{"]
)
def test_other_fields_are_a_fault(said):
    assert list(extract.faults(TextEntry("{what} to hold {count} items", said, fields=True)))


def test_every_text_of_the_first_exercise_and_of_its_card_is_german():
    files = {"checks/chapters/start_here.py", "checks/render.py", "checks/expect.py"}
    left = [
        each.text
        for each in entries(catalogue.FOLDER / "de.po")
        if not each.translation and files & {*each.places}
    ]
    assert [text for text in left if not any(word in text for word in NO_WORDS)] == ["{got} in {text}"], (
        "which is German too"
    )


def test_what_is_written_is_read_by_gettext():
    written = [
        TextEntry('say "{x}"\n\tand\\', "sag „{x}“\n\tund\\", fields=True, places=("a.py",)),
        TextEntry("not yet"),
    ]
    header, read = po.read(po.write("Content-Type: text/plain; charset=UTF-8\n", written))
    assert read == written
    known = gettext.GNUTranslations(io.BytesIO(po.compiled(header, read)))
    assert [known.gettext(each.text) for each in read] == [written[0].translation, "not yet"]
    with pytest.raises(ValueError, match="line 2 is not understood: 'oops'"):
        po.read('msgid "a"\noops\n')


@pytest.mark.parametrize(
    ("text", "german"),
    [
        ("wrong value", "falscher Wert"),
        ("`double` to hold your answer", "`double` enthält deine Antwort"),
        (
            "item 3 of the words for 'a of b' to be a text: 'x'",
            "die Wörter für 'a of b', Eintrag 3: ein Text: 'x'",
        ),
        ("x to be a list or a tuple", "x: eine Liste oder ein Tupel"),
        ("3: ['a']; missing: 'b' and 4 more", "3: ['a']; es fehlt: 'b' und 4 weitere"),
        ("a text: 'I want to be here'", "ein Text: 'I want to be here'"),
        ("'I want to be here'", "'I want to be here'"),
        ("['this is to be cut …", "['this is to be cut …"),
        ("ValueError: x to be y at: line 3", "ValueError: x to be y at: line 3"),
        ("what nobody has translated", "what nobody has translated"),
    ],
)
def test_a_text_and_its_fields_are_said_and_what_a_learner_wrote_is_not(text, german):
    assert say(text) == text
    with speaking("de"):
        assert say(text) == german


@pytest.mark.parametrize(
    ("variable", "found"),
    [("de", "de"), ("de_AT.UTF-8", "de"), ("DE", "de"), ("en_GB", "en"), ("", "en"), ("xx", "en")],
)
def test_the_language_is_that_of_the_variable(variable, found, monkeypatch, capsys):
    monkeypatch.setenv(catalogue.VARIABLE, variable)
    catalogue._unknown.cache_clear()
    assert catalogue.language() == found
    assert catalogue.language() == found
    assert capsys.readouterr().err == (
        "COURSE_LANGUAGE=xx: there are de, en; this is English\n" if variable == "xx" else ""
    )


def test_a_template_looks_once_for_each_part():
    template = Template.of("{a} to be {b!r} of {c}")
    assert template.fields("x to be 'y' of z of w") == {"a": "x", "b": "'y'", "c": "z of w"}
    assert template.fields("x to be y of z") is None, "y is no value"
    assert template.fields("x to be 'y'") is None
    assert template.fields(" to be " * 500) is None


WRONG = "def path(chapters, wanted, known):\n    return wanted"


@pytest.mark.parametrize("source", [answer_source(EXERCISE, "q2"), WRONG, "path = None", ""])
def test_marks_and_what_is_stored_are_the_same_in_both_languages(source, monkeypatch):
    question, found = load_exercise(EXERCISE).find("q2"), []
    for language in ("en", "de"):
        monkeypatch.setenv(catalogue.VARIABLE, language)
        report = question.run(LocalTransport(namespace(source), None))
        found.append((report, reports.result_of("ann", report, 1.0)))
    assert found[0] == found[1]


def test_the_card_the_check_and_the_page_are_german(monkeypatch):
    monkeypatch.setenv(catalogue.VARIABLE, "de")
    exercise = load_exercise(EXERCISE)
    card = render.exercise_text(exercise)
    assert (
        "Hier geht es los (00_start_here)\n  70 bis 105 Minuten · leicht · 33 Punkte · etwa zehn Sekunden"
        in card
    )
    assert "Dein Weg, und was das Formular nicht fragte, von Hand bewertet" in card
    parts = (PartResult("ohne", 0, 4, "wrong value", "path(chapters, []) to hold 3 items", "2: ['a', 'b']"),)
    report = Report(
        EXERCISE, "q2", "A path through chapters", 0.0, 4.0, "wrong value", parts, (), "lessons/a.ipynb", 3
    )
    assert render.report_text(report).splitlines() == [
        "q2  Ein Weg durch Kapitel: 0 von 4 Punkten (falscher Wert)",
        "      falscher Wert",
        "      erwartet path(chapters, []): 3 Einträge",
        "      bekommen 2: ['a', 'b']",
        "  Zum Nachlesen: lessons/a.ipynb",
    ]
    page = learners_page.page("<ann>", exercise, [report], late_penalty=1)
    assert '<html lang="de">' in page and "00_start_here, abgegeben von &lt;ann&gt;" in page
    assert "0 von 4 Punkten (0, abzüglich 1 für verspätete Abgabe)" in page
    assert "expected" not in page and "points" not in page.partition("</style>")[2].replace(
        'class="points"', ""
    )

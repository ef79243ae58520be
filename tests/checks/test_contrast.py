"""What a card says can be read, and its frame be seen, in JupyterLab's light and dark theme.

The bounds are those of WCAG 2.2: 4.5 to 1 for text (1.4.3), 3 to 1 for what is no text (1.4.11).
"""

import re

import pytest

from course_utils.checks import render
from course_utils.checks.framework import load_exercise
from course_utils.checks.learner import progress
from course_utils.checks.report import PartResult, Report, Rung
from tests.themes import contrast, theme


def cards():
    """One card of every tone, a hint, an exercise's card and the record of points."""
    exercise = load_exercise("06_full_fine_tuning")
    question = next(iter(exercise.questions.values()))
    part = PartResult("a part", 1.0, 2.0, Rung.WRONG_VALUE.value, "1", "2")
    shown = [
        Report("06_full_fine_tuning", "q1", "title", points, 2.0, rung.value, parts=(part,))
        for rung, points in (
            (Rung.RIGHT, 2.0),
            (Rung.WRONG_VALUE, 1.0),
            (Rung.WRONG_VALUE, 0.0),
            (Rung.NOT_STARTED, 0.0),
        )
    ]
    assert {render._tone(report) for report in shown} == set(render.TONES)
    made = [render.report_html(report) for report in shown]
    return [*made, render.hint_html(question, 1), render.exercise_html(exercise), progress.progress_html()]


def faults(html, text, page):
    """What of a card is too faint on a page whose own text has the colour `text`."""
    inks = re.findall(r"[\"; ]color:\s*([^;\"]+)", html) or [text]
    frames = re.findall(r"(?:border[\w-]*:[^;\"]*|background:)(#\w{6})", html)
    assert frames
    faint = [("text", ink) for ink in inks if contrast(ink, page) < 4.5]
    return faint + [("frame", frame) for frame in frames if contrast(frame, page) < 3]


@pytest.mark.parametrize("name", ["light", "dark"])
def test_cards_can_be_read(name, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    text, pages = theme(name)
    assert [fault for html in cards() for page in pages for fault in faults(html, text, page)] == []


def test_a_faint_title_is_found():
    _, pages = theme("dark")
    card = '<div style="border:1px solid #80868b"><strong style="color:#2e7d32">q1</strong></div>'
    assert faults(card, "#ffffff", pages[0]) == [("text", "#2e7d32")]
    assert ("frame", "#5f6368") in faults(card.replace("#80868b", "#5f6368"), "#ffffff", pages[1])

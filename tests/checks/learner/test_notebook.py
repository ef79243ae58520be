"""Checks and hints as a notebook's cell calls them."""

import sys

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from course_utils.checks.framework import Exercise, register
from course_utils.checks.learner import notebook
from course_utils.checks.learner.notebook import run_in_notebook, show_hint

exercise = Exercise("96_notebook", title="In a notebook", minutes=1, difficulty="easy", cost="nothing")


@exercise.question(
    "q1", title="Three", points=2, needs=("three",), hints=("after two", "before four", "two is 1 + 1")
)
def three(answer, draw):
    if answer.value("three") != 3:
        raise ValueError("not reached by these tests")


exercise.manual("q2", title="Why", points=1)
register(exercise)


class Course:
    model = dataset = staticmethod(lambda name: name)


@pytest.fixture
def shell(monkeypatch):
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # a shell takes its place
    config = Config()
    config.HistoryManager.enabled = False
    made = InteractiveShell.instance(config=config)
    made.reset()
    yield made
    InteractiveShell.clear_instance()


def test_under_ipython_a_card_of_the_shells_names(shell):
    shell.user_ns["three"] = 3
    with capture_output() as captured:
        run_in_notebook(Course(), "96_notebook", "q1")
    data = captured.outputs[0].data
    assert "2 of 2 points" in data["text/plain"]
    assert data["text/html"].startswith("<div")


def test_a_hint_card(shell):
    with capture_output() as captured:
        show_hint(Course(), "96_notebook", "q1", 2)
    assert "before four" in captured.outputs[0].data["text/html"]


def test_elsewhere_text(capsys, monkeypatch):
    monkeypatch.setattr(notebook, "_shell", lambda: None)
    run_in_notebook(Course(), "96_notebook")
    text = capsys.readouterr().out
    assert "q1  Three: 0 of 2 points (missing)" in text
    assert "An instructor reads" in text
    assert "0 of 2 points, and 1 that an instructor gives" in text


def test_the_card_of_the_exercise(capsys, monkeypatch):
    monkeypatch.setattr(notebook, "_shell", lambda: None)
    notebook.show_card(Course(), "96_notebook")
    assert "In a notebook" in capsys.readouterr().out


def test_a_notebook_that_did_not_say_which_exercise():
    with pytest.raises(LookupError, match="setup\\(exercise="):
        run_in_notebook(Course(), None, "q1")


def test_an_unknown_question():
    with pytest.raises(LookupError, match="its questions are q1, q2"):
        run_in_notebook(Course(), "96_notebook", "q9")

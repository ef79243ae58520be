"""Checks and hints inside the learner's notebook: what `course.check` and `course.hint` call."""

from __future__ import annotations

import sys
from typing import Any

from course_utils.checks import render
from course_utils.checks.framework import Exercise, Paths, load_exercise
from course_utils.checks.learner import progress
from course_utils.checks.report import Report
from course_utils.wire.answer import LocalTransport
from course_utils.wire.learner import asset_loader


def run_in_notebook(course: Paths, exercise: str | None, question: str | None = None) -> None:
    """Judge one question (or all of them) on what the notebook holds now, and show the result.

    `course` is what `setup()` returned; `exercise` is its exercise's name. An
    HTML card under Jupyter, text elsewhere. Points go into the learner's own record
    (see `progress`). Raises `LookupError` for an exercise or question that does
    not exist.
    """
    found = _exercise(exercise)
    names = [question] if question is not None else list(found.questions)
    reports = []
    for name in names:
        reports.append(judge(course, found, name, _namespace()))
        progress.record(reports[-1])
        _show(render.report_text(reports[-1]), render.report_html(reports[-1], linked=True))
    if question is None:
        print(render.total_text(reports, found))


def judge(course: Paths, exercise: Exercise, question: str, namespace: dict) -> Report:
    """The report on one question, from a namespace in this process and the public data."""
    load_asset = asset_loader(course.model, course.dataset)
    return exercise.find(question).run(LocalTransport(namespace, load_asset))


def show_hint(course: Paths, exercise: str | None, question: str, level: int = 1) -> None:
    """Show a question's hint: level 1 nudges, 2 points, 3 works something similar out."""
    found = _exercise(exercise).find(question)
    _show(render.hint_text(found, level), render.hint_html(found, level))


def show_card(course: Paths, exercise: str | None) -> None:
    """Show the exercise's card: time, difficulty, points and cost."""
    found = _exercise(exercise)
    _show(render.exercise_text(found), render.exercise_html(found))


def show_progress() -> None:
    """Show the points of every chapter and what is next, from this machine's own record."""
    _show(progress.progress_text(), progress.progress_html())


def _exercise(name: str | None) -> Exercise:
    if name is None:
        raise LookupError(
            'this notebook has no exercise; begin it with course = setup(exercise="06_full_fine_tuning")'
        )
    return load_exercise(name)


def _shell() -> Any:
    """The running IPython shell, if there is one; IPython is not imported just to look."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def _namespace() -> dict:
    shell = _shell()
    return shell.user_ns if shell is not None else sys.modules["__main__"].__dict__


def _show(text: str, html: str) -> None:
    if _shell() is None:
        print(text)
        return
    from IPython.display import publish_display_data

    publish_display_data({"text/plain": text, "text/html": html})

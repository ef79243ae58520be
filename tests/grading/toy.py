"""A tiny exercise, made here: its checks, its solution notebook, and submissions to it."""

import copy
import json
from pathlib import Path

from course_utils.checks import expect
from course_utils.checks.framework import Exercise, part, register

NAME = "98_toy"

exercise = Exercise(NAME, title="A toy", minutes=5, difficulty="easy", cost="nothing", cell_seconds=300)


@exercise.question(
    "q1",
    title="Double",
    points=4,
    needs=("double",),
    lesson="lessons/toy.ipynb",
    hints=("twice", "* 2", "3 * 3"),
    seconds=120,
)
def double(answer, draw):
    numbers = [draw.random.randrange(1, 10**6) for _ in range(5)]
    with part("one number", points=1):
        expect.equal(answer.call("double", numbers[0]), 2 * numbers[0], "double(number)")
    with part("every number", points=3):
        expect.equal(
            [answer.call("double", number) for number in numbers],
            [2 * number for number in numbers],
            "the doubles",
        )


@exercise.question("q2", title="Count words", points=2, needs=("counts",), seconds=120)
def counts(answer, draw):
    expect.equal(answer.value("counts"), {"a": 2, "b": 1}, "counts")


exercise.manual("q3", title="Say why", points=5)
register(exercise)

ANSWERS = {
    "q1": "def double(number):\n    return number + number",
    "q2": "def count(words):\n    return {word: words.count(word) for word in words}",
    "q3": "Because two is the smallest prime.",
}


def marks(name, *, grade=False, solution=False):
    return {
        "nbgrader": {
            "grade": grade,
            "grade_id": name,
            "locked": grade and not solution,
            "schema_version": 3,
            "solution": solution,
            "task": False,
            **({"points": 0} if grade else {}),
        }
    }


def cell(kind, name, source, metadata=None):
    code = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "id": name, "metadata": metadata or {}, "source": source, **code}


def solution_notebook():
    cells = [
        cell("markdown", "title", "# A toy"),
        cell("markdown", "note", "Give ten minutes.", {"tags": ["instructor"]}),
        cell("code", "setup", "import sys"),
        cell(
            "code",
            "q1-answer",
            "def double(number):\n    ### BEGIN SOLUTION\n    return 2 * number\n    ### END SOLUTION",
            marks("q1", solution=True),
        ),
        cell("code", "q1-check", 'course.check("q1")', marks("q1-check", grade=True)),
        cell(
            "code",
            "q2-answer",
            "def count(words):\n    ### BEGIN SOLUTION\n    return {word: words.count(word) for word in words}\n    ### END SOLUTION",
            marks("q2", solution=True),
        ),
        cell(
            "code",
            "q2-use",
            "try:\n    counts = count(['a', 'b', 'a'])\nexcept NotImplementedError:\n    counts = None",
        ),
        cell("code", "q2-check", 'course.check("q2")', marks("q2-check", grade=True)),
        cell("markdown", "q3-answer", "Your words here.", marks("q3", grade=True, solution=True)),
    ]
    return notebook_of(cells)


def notebook_of(cells):
    """A notebook (a dict) of these cells."""
    return {
        "cells": cells,
        "metadata": {"kernelspec": {"display_name": "x", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def write(path, notebook):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def write_solutions(folder):
    return write(Path(folder) / NAME / f"{NAME}.ipynb", solution_notebook())


def submission(released, **answers):
    """The released notebook (a dict) with some answers filled in by grade id."""
    notebook = copy.deepcopy(released)
    for one in notebook["cells"]:
        name = one["metadata"].get("nbgrader", {}).get("grade_id")
        if name in answers:
            one["source"] = answers[name]
    return notebook

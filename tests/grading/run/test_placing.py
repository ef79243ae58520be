"""What a learner wrote counts, wherever it stands in their notebook and whatever an editor made of it."""

import copy

import pytest

from course_utils.chapters import first_cell
from course_utils.checks.framework import load_exercise
from course_utils.grading.run import executor
from course_utils.grading.run.executor import Clocks
from course_utils.grading.run.placing import names_made, place
from course_utils.grading.run.reading import NeedsAPerson, cells_of
from tests.grading import toy
from tests.grading.edited import ids_as_in_colab, names_gone

FULL = {"q1": 4, "q2": 2}
HELPED = "def double(number):\n    return twice(number)"
HELPER = "def twice(number):\n    return 2 * number"
OLD_TRY = "def double(number):\n    return number"


def points(graded):
    return {name: report.points for name, report in graded.reports.items()}


def where(notebook, name):
    """The place of a released cell, by its id."""
    return next(number for number, cell in enumerate(notebook["cells"]) if cell.get("id") == name)


def own(notebook, place_, source, kind="code", **more):
    notebook["cells"].insert(place_, toy.cell(kind, f"own{len(notebook['cells'])}", source) | more)


def helper_above(notebook):
    own(notebook, where(notebook, "q1-answer"), HELPER)
    notebook["cells"][where(notebook, "q1-answer")]["source"] = HELPED


def helper_at_the_end(notebook):
    own(notebook, len(notebook["cells"]), HELPER)
    notebook["cells"][where(notebook, "q1-answer")]["source"] = HELPED


def helper_in_the_setup(notebook):
    notebook["cells"][where(notebook, "setup")]["source"] += "\n" + HELPER
    notebook["cells"][where(notebook, "q1-answer")]["source"] = HELPED


def helper_instead_of_the_setup(notebook):
    """What the release imports is gone; the answer needs it, as it was given."""
    notebook["cells"][where(notebook, "setup")]["source"] = HELPER
    notebook["cells"][where(notebook, "q1-answer")]["source"] = HELPED + "\nsys.maxsize"


def setup_that_fails(notebook):
    notebook["cells"][where(notebook, "setup")]["source"] = "1 / 0\nimport sys"
    notebook["cells"][where(notebook, "q1-answer")]["source"] = "sys\n" + toy.ANSWERS["q1"]


def stub(notebook, released):
    notebook["cells"][where(notebook, "q1-answer")]["source"] = released["cells"][
        where(released, "q1-answer")
    ]["source"]


def one_cell_lower(notebook, released):
    stub(notebook, released)
    own(notebook, where(notebook, "q1-check"), toy.ANSWERS["q1"])


def below_the_check(notebook, released):
    stub(notebook, released)
    own(notebook, where(notebook, "q1-check") + 1, toy.ANSWERS["q1"])


def all_at_the_end(notebook, released):
    for name in ("q1-answer", "q2-answer"):
        cell = notebook["cells"][where(notebook, name)]
        own(notebook, len(notebook["cells"]), cell["source"])
        cell["source"] = released["cells"][where(released, name)]["source"]


def split_in_two(notebook):
    """As JupyterLab does it: both halves keep the metadata, and one the id."""
    number = where(notebook, "q1-answer")
    half = copy.deepcopy(notebook["cells"][number])
    notebook["cells"][number]["source"] = HELPED
    notebook["cells"].insert(number, half | {"id": "other-half", "source": HELPER})


def split_the_other_way(notebook):
    number = where(notebook, "q1-answer")
    half = copy.deepcopy(notebook["cells"][number])
    notebook["cells"][number]["source"] = HELPER
    notebook["cells"].insert(number + 1, half | {"id": "other-half", "source": HELPED})


def older_copy_below(notebook):
    number = where(notebook, "q1-answer")
    old = copy.deepcopy(notebook["cells"][number])
    notebook["cells"].insert(number + 1, old | {"id": "older", "source": OLD_TRY})


def older_try_below(notebook):
    own(notebook, where(notebook, "q1-check"), OLD_TRY)


def ids_gone(notebook):
    for cell in notebook["cells"]:
        cell.pop("id")


def marks_gone_and_helpers_added(notebook):
    helper_above(notebook)
    names_gone(notebook)


def marks_gone_and_texts_deleted(notebook):
    names_gone(notebook)
    notebook["cells"] = [
        cell for cell in notebook["cells"] if cell["cell_type"] == "code" or "Why" in cell["source"]
    ]


WITH_ANSWERS = [
    helper_above, helper_at_the_end, helper_in_the_setup, helper_instead_of_the_setup, setup_that_fails, split_in_two,
    split_the_other_way, older_copy_below, older_try_below, ids_gone, names_gone, ids_as_in_colab,
    marks_gone_and_helpers_added, marks_gone_and_texts_deleted,
]  # fmt: skip
WITH_STUBS = [one_cell_lower, below_the_check, all_at_the_end]


@pytest.fixture
def answered(released):
    return toy.submission(released, **toy.ANSWERS)


@pytest.mark.parametrize("shape", WITH_ANSWERS, ids=lambda shape: shape.__name__)
def test_an_answer_counts_in_every_shape(answered, grade, shape):
    shape(answered)
    assert points(grade(answered)) == FULL


@pytest.mark.parametrize("shape", WITH_STUBS, ids=lambda shape: shape.__name__)
def test_an_answer_counts_in_another_cell(answered, released, grade, shape):
    shape(answered, released)
    assert points(grade(answered)) == FULL


def test_a_wrong_answer_stays_wrong_with_cells_of_ones_own(released, grade):
    wrong = toy.submission(released, q1=OLD_TRY)
    own(wrong, where(wrong, "q1-check"), OLD_TRY + "  # again")
    own(wrong, len(wrong["cells"]), OLD_TRY + "  # and again")
    assert points(grade(wrong)) == {"q1": 0, "q2": 0}


def test_the_better_of_two_answers_counts(released, grade):
    half = "seen = []\ndef double(n):\n    seen.append(n)\n    return 2 * seen[0]"
    both = toy.submission(released, q1=half)
    own(both, len(both["cells"]), OLD_TRY)
    assert points(grade(both))["q1"] == 1


def test_who_guesses_is_not_asked_without_end(released, grade, monkeypatch):
    asked, run_apart = [], executor.run_apart

    def counted(question, *rest):
        asked.append(question.name)
        return run_apart(question, *rest)

    monkeypatch.setattr(executor, "run_apart", counted)
    guesses = toy.submission(released, q1=OLD_TRY)
    for place_ in range(len(guesses["cells"]), -1, -1):
        own(guesses, place_, f"def double(number):\n    return {place_}")
    assert points(grade(guesses)) == {"q1": 0, "q2": 0}
    assert 1 < asked.count("q1") <= executor.MOST_ASKED


def test_an_essay_counts_in_every_shape(answered, released, released_path):
    def essay(notebook):
        steps = place(executor.read_released(released_path), cells_of(notebook["cells"]))
        return next(step for step in steps if step.cell.id == "q3-answer")

    assert essay(answered).cell.source == toy.ANSWERS["q3"]
    bare = copy.deepcopy(answered)
    names_gone(bare)
    assert essay(bare).cell.source == toy.ANSWERS["q3"]
    behind = toy.submission(released)
    own(behind, len(behind["cells"]), "First.", "markdown")
    own(behind, len(behind["cells"]), "Second.", "markdown")
    assert essay(behind).cell.source == "First.\n\nSecond."
    assert essay(behind).worked_on


def test_added_cells_are_shown_where_they_stood(answered, grade):
    helper_above(answered)
    own(answered, len(answered["cells"]), "<script>owned()</script>", "markdown")
    cells = grade(answered).notebook.cells
    sources = [cell.source for cell in cells]
    assert sources.index(HELPER) + 1 == sources.index(HELPED)
    assert "<script>" not in sources[-1]
    assert len({cell.id for cell in cells}) == len(cells)


ENDLESS = {
    "prints": "while True:\n    print('x')",
    "sleeps": "import time\ntime.sleep(10**6)",
    "dies": "import os\nos._exit(1)",
    "asks": "input('name?')",
    "is no Python": "def (:",
    "is a magic": "%%bash\nexit 3",
    "asks for a magic that is not there": "%%no_such_magic\nx",
}


@pytest.mark.parametrize("what", ENDLESS)
def test_a_cell_of_ones_own_costs_no_answer(answered, grade, what):
    own(answered, where(answered, "q1-answer"), ENDLESS[what])
    own(answered, len(answered["cells"]), ENDLESS[what])
    assert points(grade(answered, clocks=Clocks(cell=4, interrupt=5, total=600))) == FULL


def test_endless_cells_leave_time_for_the_others(answered, grade):
    for _ in range(4):
        own(answered, where(answered, "q1-answer"), ENDLESS["prints"])
    clocks = Clocks(cell=600, interrupt=5, total=40)
    assert points(grade(answered, clocks=clocks)) == FULL


OTHERS = {
    "of another exercise": (
        lambda book: own(book, 0, 'from course_utils import setup\ncourse = setup(exercise="04_evaluation")'),
        "the notebook of 04_evaluation",
    ),
    "in conflict": (
        lambda book: own(book, 3, "<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> theirs\n"),
        "conflict of git",
    ),
    "without cells": (lambda book: book["cells"].clear(), "no cell"),
    "of something else": (
        lambda book: book.update(cells=[toy.cell("code", "a", "print(1)"), toy.cell("markdown", "b", "hm")]),
        "2 cells, and none of them",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_this_exercise_needs_a_person(answered, grade, name):
    change, words = OTHERS[name]
    change(answered)
    with pytest.raises(NeedsAPerson, match=words):
        grade(answered)


def test_a_lost_answer_cell_among_ones_own_code_needs_a_person(answered, grade):
    del answered["cells"][where(answered, "q1-answer")]
    own(answered, 0, "def doubled(number):\n    return 2 * number")
    graded = grade(answered)
    assert points(graded) == {"q1": None, "q2": 2}
    assert graded.reports["q1"].rung == "needs a person"
    assert "answer cell of q1" in graded.reports["q1"].notes[0]
    del answered["cells"][0]
    assert points(grade(answered)) == {"q1": 0, "q2": 2}  # nothing there, and nothing lost


def test_names_that_a_cell_makes():
    source = (
        "import a.b, c as d\ntry:\n    e = f(g)\nexcept ValueError:\n    h, i = 1, 2\ndef j():\n    k = 1\n"
    )
    assert names_made(source) == {"a", "d", "e", "h", "i", "j"}
    assert names_made("%magic") == frozenset()


def test_hostile_numbers_of_cells_are_placed_soon(released_path):
    many = [toy.cell("code", "q1-answer", f"x{number} = 1") for number in range(20_000)]
    steps = place(executor.read_released(released_path), cells_of(many))
    assert sum(step.added for step in steps) <= 500


def test_names_of_a_cell_with_a_magic_are_found():
    source = "try:\n    import re\nexcept ImportError:\n    %pip install re\n    import re\n\na = 1"
    assert names_made(source) == {"re", "a"}


def test_a_first_cell_as_it_was_once_is_run_as_the_learner_has_it(root):
    """Who began before the first cell installed the course hands in another one than is released now."""
    path = root / "exercises" / "04_evaluation" / "04_evaluation.ipynb"
    now = executor.read_released(path)
    handed_in = copy.deepcopy(now)
    first = handed_in.cells[where(handed_in, "setup")]
    first.source = first.source.replace(first_cell.BEGINNING, first_cell.IMPORT)
    steps = place(now, cells_of(handed_in.cells), load_exercise("04_evaluation"))
    (step,) = [step for step in steps if step.cell.id == "setup"]
    assert first.source.startswith(first_cell.IMPORT)
    assert (step.cell.source, step.given) == (first.source, now.cells[where(now, "setup")].source)
    assert step.makes == {"setup", "course"}
    assert not [step for step in steps if step.added]

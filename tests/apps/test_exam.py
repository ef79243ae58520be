"""Places are shared unless a lead is clear."""

import random

from course_utils import instructions
from course_utils.apps import exam
from course_utils.measure.scores import bootstrap


def marks(name, lift, seed=0):
    """Marks on the same made-up rows, hard and easy ones, with a little noise of the model's own."""
    rows, own = random.Random(1), random.Random(f"{name} {seed}")
    scores = {
        task: bootstrap([rows.random() + lift + own.gauss(0, 0.05) for _ in range(40)], name=task)
        for task in instructions.TASKS
    }
    return exam.ExamScores(name, scores, 0.01, 1000)


def test_places():
    found = exam.standings([marks("low", 0.0), marks("b", 0.2), marks("a", 0.201), marks("top", 0.5)])
    assert [(standing.place, standing.marks.name) for standing in found][::3] == [(1, "top"), (4, "low")]
    assert {standing.place for standing in found[1:3]} == {2}


def test_a_copy_shares_the_place():
    one = marks("one", 0.1)
    copy = exam.ExamScores("copy", one.scores, 0.01, 1000)
    assert [standing.place for standing in exam.standings([one, copy])] == [1, 1]


def test_models_without_a_difference_rarely_get_places_of_their_own():
    told_apart = sum(
        len({s.place for s in exam.standings([marks("a", 0.1, seed), marks("b", 0.1, seed)])}) == 2
        for seed in range(60)
    )
    assert told_apart <= 10, "about one in twenty by chance"


def test_a_small_lead_on_every_row_is_clear():
    assert exam.clearly_better(marks("a", 0.1), marks("b", 0.05))


def test_rows_come_from_the_seed():
    assert exam.draw(3, 2).rows == exam.draw(3, 2).rows != exam.draw(4, 2).rows


def test_what_was_forgotten_is_a_fall():
    assert exam.forgotten(marks("before", 0.5), marks("after", 0.1)).low > 0.3

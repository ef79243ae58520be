"""The lessons do not disagree with each other: what they state of trained models' scores is listed and compared."""

import re
from dataclasses import replace

import pytest

from tests import scores
from tests.notebook_keys import code_cells, read_notebook

LESSONS = scores.lessons()
ONE = scores.Stated("07.1", "after", "twin", "reviews", "accuracy", 0.61, ("full", 150, None, 0), "")


@pytest.mark.parametrize("path", LESSONS, ids=scores.number)
def test_what_is_listed_stands_in_the_output(path):
    for cell in code_cells(read_notebook(path)):
        shown = [float(number) for number in re.findall(r"\d+\.\d+", scores.output_of(cell))]
        for entry in scores.entries(cell) or []:
            assert scores.NEEDED <= entry.keys() <= scores.NEEDED | scores.ALLOWED, cell["id"]
            assert entry["score"] in shown, f"{cell['id']} does not show {entry['score']}"


@pytest.mark.parametrize("path", LESSONS, ids=scores.number)
def test_a_lesson_that_trains_lists_its_scores(path):
    notebook = read_notebook(path)
    if scores.trains(notebook):
        cells = [cell for cell in code_cells(notebook) if scores.SCORE.search(scores.output_of(cell))]
        unlisted = [cell["id"] for cell in cells if scores.entries(cell) is None]
        assert not unlisted, (
            "each needs a list `course.scores` in its metadata, empty where no score is a trained model's"
        )


def test_scores_that_differ_have_a_reason():
    pairs = scores.differing(scores.stated(LESSONS))
    unexplained = [
        pair for pair in pairs if pair[0].settings == pair[1].settings and not any(one.why for one in pair)
    ]
    assert not unexplained


def test_two_comparisons_of_the_same_methods_name_each_other():
    paths = {scores.number(path): path for path in LESSONS}
    for one, other in scores.pairs_of_comparisons(scores.stated(LESSONS)):
        texts = {lesson: paths[lesson].read_text(encoding="utf-8") for lesson in (one, other)}
        linked = paths[other].name in texts[one] or paths[one].name in texts[other]
        assert linked, f"{one} and {other} compare the same methods with other results: link one to the other"


def test_planted_disagreements_are_found():
    assert scores.differing([ONE, replace(ONE, lesson="10.4", score=0.7)])
    assert not scores.differing([ONE, replace(ONE, score=0.64)])
    assert not scores.differing([ONE, replace(ONE, score=0.9, data="topics")])
    lora = replace(ONE, score=0.3, settings=("LoRA, rank 2", 150, None, 0))
    others = [replace(one, lesson="10.4", score=one.score + 0.2) for one in (ONE, lora)]
    assert scores.pairs_of_comparisons([ONE, lora, *others]) == {("07.1", "10.4")}
    assert not scores.pairs_of_comparisons([ONE, lora, others[0]])

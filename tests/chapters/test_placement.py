"""The path through the chapters: rules on imagined chapters, times on the real ones."""

import json

import pytest

from course_utils.chapters import placement
from course_utils.chapters.placement import Chapter, chapters, plan
from course_utils.checks.framework import load_exercise
from course_utils.install import ROOT

EVERY = [Chapter(name, reading=30, running=2, exercise=28) for name in placement.NEEDS]


def names(goals=("use models",), experience="new to this", rows=5000, hardware="gpu", **more):
    path = plan(goals, experience, rows, hardware, available=EVERY, **more)
    return [step.chapter.name[:2] for step in path.steps]


def test_a_goal_brings_what_it_needs_in_the_order_of_the_chapters():
    assert names(["fine-tune"]) == ["00", "02", "03", "04", "06", "07"]
    assert names(["share my work"]) == ["00", "01"]
    assert names(["share my work", "use models"]) == ["00", "01", "02", "03"]
    assert names(["everything"]) == [name[:2] for name in placement.NEEDS]


def test_what_somebody_knows_is_left_out_unless_it_is_wanted():
    assert names(["fine-tune"], experience="have trained models") == ["06", "07"]
    assert names(["prepare data"], experience="have trained models") == ["02"]
    path = plan(["fine-tune"], "have trained models", 5000, "gpu", available=EVERY)
    assert path.left_out["03_models_and_pipelines"] == "you know it"
    assert path.left_out["09_multi_task"] == "not needed for your goals"


@pytest.mark.parametrize(("rows", "asks"), [(0, True), (300, True), (1000, False)])
def test_few_rows_ask_whether_to_train(rows, asks):
    assert ("05" in names(["fine-tune"], rows=rows)) == asks
    assert "05" not in names(["use models"], rows=rows)


def test_a_laptop_brings_the_adapters():
    assert "10" in names(["fine-tune"], hardware="laptop")
    assert "10" not in names(["fine-tune"], hardware="gpu")
    assert "10" not in names(["use models"], hardware="laptop")


@pytest.mark.parametrize(
    ("hours", "sittings"),
    [(0.5, [1, 2, 3, 4, 5, 6]), (1, [1, 2, 3, 4, 5, 6]), (2, [1, 1, 2, 2, 3, 3]), (9, [1] * 6)],
)
def test_chapters_stay_whole_in_a_sitting(hours, sittings):
    path = plan(["fine-tune"], "new to this", 5000, "gpu", hours, available=EVERY)
    assert [step.sitting for step in path.steps] == sittings


def test_what_is_printed_adds_up():
    path = plan(["share my work"], "new to this", 0, "laptop", available=EVERY)
    assert path.minutes == 120
    assert "2 h 00" in str(path)
    assert str(path).count("32 min    28 min") == 2


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((["become rich"], "new to this", 0, "gpu"), "Choose from: use models"),
        (([], "a genius", 0, "gpu"), "new to this"),
        (([], "new to this", 0, "abacus"), "laptop, gpu"),
        (([], "new to this", -1, "gpu"), "0 or more"),
        (([], "new to this", 0, "gpu", 0), "more than 0"),
    ],
)
def test_an_answer_that_the_form_does_not_know(answers, words):
    with pytest.raises(ValueError, match=words):
        plan(*answers, available=EVERY)


def test_no_goal_is_no_path():
    path = plan([], "new to this", 0, "laptop", available=EVERY)
    assert path.steps == () and path.minutes == 0
    assert placement.picture(path)


def test_the_times_come_from_notebooks_and_cards(tmp_path):
    folder = tmp_path / "lessons" / "06_full_fine_tuning"
    folder.mkdir(parents=True)
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["word " * 118, "\nword"]},
        {"cell_type": "markdown", "metadata": {"tags": ["instructor"]}, "source": "word " * 500},
    ]
    for name in ("01_a.ipynb", "02_b.ipynb"):
        (folder / name).write_text(json.dumps({"cells": cells, "metadata": {"course": {"seconds": 30}}}))
    (found,) = chapters(tmp_path)
    assert (found.reading, found.running) == (pytest.approx(2 * 119 / placement.WORDS_A_MINUTE), 1.0)
    assert found.exercise == load_exercise("06_full_fine_tuning").minutes


def test_every_chapter_that_is_here_has_its_place():
    here = {path.name for folder in ("lessons", "solutions") for path in (ROOT / folder).glob("[0-9][0-9]_*")}
    assert here <= placement.NEEDS.keys()
    assert {chapter.name for chapter in chapters()} <= here
    assert all(chapter.minutes > 0 for chapter in chapters())


def test_the_table_hangs_together():
    order = list(placement.NEEDS)
    for name, needed in placement.NEEDS.items():
        assert all(order.index(each) < order.index(name) for each in needed)
    for listed in (*placement.GOALS.values(), *placement.EXPERIENCE.values()):
        assert set(listed) <= set(order)
    assert placement.GOALS.keys() >= placement.TRAINS

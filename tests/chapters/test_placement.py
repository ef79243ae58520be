"""The path through the chapters: rules on the day's chapters, each taking an hour."""

from dataclasses import replace

import pytest

from course_utils.chapters import placement
from course_utils.chapters.chapter import EXPERIENCE, SITUATIONS, WORDS_A_MINUTE, Chapter, Lesson, chapters
from course_utils.chapters.placement import goals_of, plan

HALF_AN_HOUR = (Lesson("01_a.ipynb", "A", words=30 * WORDS_A_MINUTE, seconds=120),)
EVERY = [
    replace(chapter, lessons=HALF_AN_HOUR, exercise=28) for chapter in chapters() if chapter.track == "day"
]


def names(goals=("use models",), experience="new to this", rows=5000, hardware="gpu", **more):
    path = plan(goals, experience, rows, hardware, **({"available": EVERY} | more))
    return [step.chapter.number for step in path.steps]


def test_a_goal_brings_what_it_needs_in_the_order_of_the_chapters():
    assert names(["fine-tune"]) == ["00", "02", "03", "04", "06", "07"]
    assert names(["share my work"]) == ["00", "01"]
    assert names(["share my work", "use models"]) == ["00", "01", "02", "03"]
    assert names(["everything"]) == [chapter.number for chapter in EVERY]


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


@pytest.mark.parametrize(("rows", "why"), [(0, "no rows yet"), (300, "only 300 rows")])
def test_the_reason_names_the_rows(rows, why):
    path = plan(["fine-tune"], "new to this", rows, "gpu", available=EVERY)
    assert any(step.chapter.number == "05" and why in step.why for step in path.steps)


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
    assert (path.minutes, path.longest) == (120, 154)
    assert "2 h 00 to 2 h 34" in str(path)
    assert str(path).count("32 min    28 to 45 min") == 2


@pytest.mark.parametrize(
    ("hours", "over"),
    [(1, ["1 (up to 1 h 17)", "2 (up to 1 h 17)"]), (2, ["1 (up to 2 h 34)"]), (2.6, [])],
)
def test_a_sitting_that_may_last_longer_than_was_asked_for_is_named(hours, over):
    said = str(plan(["share my work"], "new to this", 0, "gpu", hours, available=EVERY))
    assert ("Longer than" in said) == bool(over)
    assert all(each in said for each in over)


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


def test_a_chapter_of_another_track_brings_a_goal_of_its_own():
    new = Chapter(
        "13_loops",
        "Loops",
        "training",
        needs=("06_full_fine_tuning",),
        good_for=("write the loop",),
        trains=True,
        left_out_by=("have trained models",),
    )
    more = {"available": [*EVERY, new]}
    assert list(goals_of([*EVERY, new]))[-2:] == ["write the loop", "everything"]
    assert names(["write the loop"], **more) == ["00", "02", "03", "04", "06", "13"]
    assert "05" in names(["write the loop"], rows=0, **more), "it trains"
    assert names(["everything"], **more)[-1] == "13"
    path = plan(["fine-tune"], "have trained models", 5000, "gpu", available=[*EVERY, new])
    assert path.left_out["13_loops"] == "you know it"


def test_the_form_knows_what_the_chapters_say():
    known = chapters()
    assert list(placement.GOALS.items()) == list(goals_of(known).items())
    assert set(placement.FIRST_GOALS) <= placement.GOALS.keys()
    assert not any(EXPERIENCE[0] in chapter.left_out_by for chapter in known), "who is new leaves nothing out"
    assert {situation for chapter in known for situation in chapter.also_for} == set(SITUATIONS)
    assert {chapter.name for chapter in known if chapter.trains} >= set(placement.GOALS["fine-tune"])


def test_other_names_are_still_unknown():
    with pytest.raises(AttributeError, match="NEEDS"):
        _ = placement.NEEDS

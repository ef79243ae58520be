"""What chapter.toml says is read with the notebooks and the card, and a fault is named with what to do."""

import json

import pytest

from course_utils.chapters.chapter import FILE, WORDS_A_MINUTE, ChapterError, Slot, chapters
from course_utils.checks.framework import load_exercise
from course_utils.install import ROOT

NAME = "06_full_fine_tuning"
SOUND = 'title = "Fine-tuning"\ntrack = "training"\n'


def write(root, name=NAME, toml=SOUND, notebooks=("01_a.ipynb", "02_b.ipynb"), heading="# A title"):
    folder = root / "lessons" / name
    folder.mkdir(parents=True)
    if toml is not None:
        (folder / FILE).write_text(toml, encoding="utf-8")
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": [heading, "\n" + "word " * 116, "\nword"]},
        {"cell_type": "markdown", "metadata": {"tags": ["instructor"]}, "source": "word " * 500},
    ]
    for notebook in notebooks:
        content = {"cells": cells, "metadata": {"course": {"seconds": 30}}}
        (folder / notebook).write_text(json.dumps(content), encoding="utf-8")
    return root


def test_the_times_come_from_notebooks_and_the_card(tmp_path):
    (found,) = chapters(write(tmp_path))
    assert (found.reading, found.running) == (pytest.approx(2 * 120 / WORDS_A_MINUTE), 1.0)
    card = load_exercise(NAME)
    assert (found.exercise, found.points) == (card.minutes, card.points)
    assert [(lesson.number, lesson.title) for lesson in found.lessons] == [(1, "A title"), (2, "A title")]


def test_what_it_says_of_itself(tmp_path):
    said = SOUND + 'good_for = ["this", "that"]\ntrains = true\n[also_for]\nlaptop = "small"\n'
    slots = '[[slot]]\nminutes = 20\nlessons = [2]\ncut = "all"\n[[slot]]\nminutes = 5\nexercise = true\n'
    (found,) = chapters(write(tmp_path, toml=said + slots))
    assert (found.title, found.track, found.good_for) == ("Fine-tuning", "training", ("this", "that"))
    assert found.trains and found.also_for == {"laptop": "small"}
    assert found.slots == (Slot(20, lessons=(2,), cut="all"), Slot(5, exercise=True))


def test_a_chapter_may_be_empty(tmp_path):
    (found,) = chapters(write(tmp_path, "13_nothing_yet", notebooks=()))
    assert found.minutes == 0 and found.points == 0 and not found.has_exercise
    assert (found.needs, found.good_for, found.slots) == ((), (), ())


def test_a_package_without_lessons_has_no_chapters(tmp_path):
    assert chapters(tmp_path) == []


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        (None, "is missing. Write one"),
        ("title = ", "is no TOML"),
        ('track = "day"', "title is missing. Give it a text in quotes"),
        ('title = "a"', "track is missing"),
        ('title = ["a"]\ntrack = "day"', r"title is \['a'\]. Give it a text"),
        ('title = "a | b"\ntrack = "day"', "without |"),
        (
            'title = "a"\ntrack = "trainig"',
            "track: 'trainig' is not among the tracks. Did you mean 'training'",
        ),
        (SOUND + 'god_for = ["x"]', "god_for: 'god_for' is not among the keys. Did you mean 'good_for'"),
        (SOUND + 'needs = "05_train_or_not"', "needs is '05_train_or_not'. Give it a list of texts"),
        (SOUND + 'needs = ["05_train_or_no"]', "needs: '05_train_or_no' is not among the chapters before"),
        (SOUND + f'needs = ["{NAME}"]', "not among the chapters before this one. There are: none"),
        (SOUND + 'left_out_by = ["a genius"]', "There are: new to this, have used models"),
        (SOUND + "trains = 1", "trains is 1. Give it true or false"),
        (SOUND + '[also_for]\nrain = "x"', "also_for: 'rain' is not among the situations"),
        (SOUND + "[also_for]\nlaptop = 1", "Give it a table of texts"),
        (SOUND + "slot = 15", r"begin each with \[\[slot\]\]"),
        (SOUND + "[[slot]]\nminutes = 1.5", "slot.minutes is 1.5. Give it a whole number"),
        (SOUND + "[[slot]]\nminutes = true", "slot.minutes is True"),
        (SOUND + '[[slot]]\ncut = "x"', "slot.minutes is missing"),
        (SOUND + "[[slot]]\nminutes = 5\nlessons = [3]", "'3' is not among the lessons of this chapter"),
        (SOUND + "[[slot]]\nminutes = 5\nminute = 5", "slot.minute: 'minute' is not among the keys"),
        ('title = "a"\ntrack = "day"\n[[slot]]\nminutes = 5', "slot.section is missing"),
        ('title = "a"\ntrack = "day"\n[[slot]]\nminutes = 5\nsection = "7"', "sections of the track day"),
    ],
)
def test_a_fault_names_the_file_the_key_and_what_to_do(tmp_path, toml, words):
    with pytest.raises(ChapterError, match=words) as caught:
        chapters(write(tmp_path, toml=toml))
    assert f"{NAME}/{FILE}" in str(caught.value).replace("\\", "/")


def test_a_lesson_without_a_title_is_named(tmp_path):
    with pytest.raises(ChapterError, match=r"01_a.ipynb has no title"):
        chapters(write(tmp_path, heading="A title"))


def test_every_chapter_that_is_here_is_read():
    here = {path.name for folder in ("lessons", "solutions") for path in (ROOT / folder).glob("[0-9][0-9]_*")}
    found = chapters()
    assert {chapter.name for chapter in found} == here
    assert all(chapter.minutes > 0 for chapter in found)

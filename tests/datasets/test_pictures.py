"""Pictures are the same each time, show what their attributes say, and share no scene between splits."""

import hashlib
import json
from collections import Counter

import numpy as np
import pytest
from datasets import Image, load_dataset

from course_utils.datasets import pictures
from course_utils.world import SPLITS


def hulls(row):
    """(number of hulls, name of their colour) as counted in the pixels."""
    pixels = np.asarray(row["image"])
    seen = {name: (pixels == np.array(colour)).all(axis=-1) for name, colour in pictures.COLOURS.items()}
    [(name, mask)] = [(name, mask) for name, mask in seen.items() if mask.any()]
    columns = mask.any(axis=0)
    return int(columns[0]) + int((columns[1:] & ~columns[:-1]).sum()), name


@pytest.mark.parametrize("split", SPLITS)
def test_the_pixels_show_what_the_attributes_say(split):
    for row in (pictures.record(3, index, split) for index in range(150)):
        assert hulls(row) == (row["attributes"]["boats"], row["attributes"]["colour"]), row["caption"]


def test_every_question_has_the_answer_of_its_scene_and_every_answer_occurs():
    rows = [pictures.record(0, index) for index in range(600)]
    answers = {question: Counter() for question in pictures.QUESTIONS.values()}
    for row in rows:
        assert row["answer"] == pictures.answer(row["question"], row["attributes"])
        answers[row["question"]][row["answer"]] += 1
    assert [len(counts) for counts in answers.values()] == [
        len(values) for values in pictures.CHOICES.values()
    ]
    assert max(max(counts.values()) / counts.total() for counts in answers.values()) < 0.7


def test_a_caption_says_everything():
    scene = {"boats": 2, "colour": "red", "kind": "sailing boat", "lighthouse": "left", "sky": "night"}
    assert pictures.caption(scene) == "Two red sailing boats by night and a lighthouse on the left."
    assert (
        pictures.caption(scene | {"boats": 1, "lighthouse": "none"})
        == "One red sailing boat by night and no lighthouse."
    )


def test_no_scene_occurs_in_two_splits():
    scenes = {
        split: {pictures.record(seed, index, split)["caption"] for seed in (1, 2) for index in range(200)}
        for split in SPLITS
    }
    assert all(scenes[split] for split in SPLITS)
    assert (
        not scenes["train"] & scenes["test"]
        and not scenes["train"] & scenes["validation"]
        and not scenes["validation"] & scenes["test"]
    )


def test_a_seed_draws_the_same_pictures_and_another_seed_draws_others():
    def digest(seed):
        return [
            hashlib.sha256(pictures.record(seed, index)["image"].tobytes()).hexdigest() for index in range(50)
        ]

    assert digest(5) == digest(5)
    assert len(set(digest(5)) & set(digest(6))) < 5


def test_a_frame_holds_images():
    frame = pictures.frame("test", 4, seed=9)
    assert isinstance(frame.features["image"], Image)
    assert frame[0]["image"].size == (pictures.SIZE, pictures.SIZE)
    assert frame[2]["image"].tobytes() == pictures.record(9, 2, "test")["image"].tobytes()


def test_a_written_folder_loads_as_the_frame(tmp_path):
    loaded = load_dataset(str(pictures.write(tmp_path / "harbour", seed=4, count=6)))
    assert set(loaded) == set(SPLITS)
    expected = pictures.frame("validation", 6, seed=4)
    assert set(loaded["validation"].column_names) == set(expected.column_names)
    for got, row in zip(loaded["validation"], expected, strict=True):
        assert got["image"].tobytes() == row["image"].tobytes()
        assert {name: got[name] for name in got if name != "image"} == {
            name: row[name] for name in row if name != "image"
        }


def test_the_metadata_is_one_line_a_picture(tmp_path):
    folder = pictures.write(tmp_path / "harbour", count=3)
    lines = [json.loads(line) for line in (folder / "train" / "metadata.jsonl").read_text().splitlines()]
    assert [line["file_name"] for line in lines] == ["00000.png", "00001.png", "00002.png"]
    assert all((folder / "train" / line["file_name"]).exists() for line in lines)


def test_what_does_not_exist_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="train, validation, test"):
        pictures.record(0, 0, "holdout")
    with pytest.raises(ValueError, match="How many boats"):
        pictures.answer("Why?", {})

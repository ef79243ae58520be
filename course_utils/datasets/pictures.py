"""Harbour pictures of Saltmarsh: small scenes drawn from a few attributes, each with a
caption, a question and its answer.

A picture is a pure function of seed, split and index, like the records of `world`. Which attributes may
stand together is settled by the split, so no combination of the test split was ever drawn for training.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from course_utils.datasets.corpora import PUBLIC_SEED
from course_utils.world import SPLITS, RecordDraw

if TYPE_CHECKING:
    from datasets import Dataset, Features
    from PIL import Image

#: Width and height of every picture, in pixels.
SIZE = 48

#: What a scene may show. Colours are the exact red, green and blue of a hull's pixels; nothing else has them.
COLOURS = {"red": (200, 40, 40), "yellow": (240, 205, 40), "green": (40, 140, 60), "purple": (150, 60, 170),
           "white": (250, 250, 250), "brown": (115, 65, 25)}  # fmt: skip
CHOICES = {
    "boats": (1, 2, 3),
    "colour": tuple(COLOURS),
    "kind": ("sailing boat", "rowing boat", "steamer"),
    "lighthouse": ("left", "right", "none"),
    "sky": ("day", "night"),
}

#: The question about each attribute. None of them gives its answer away, not even by singular and plural.
QUESTIONS = {
    "boats": "How many boats are there?",
    "colour": "What colour is each boat?",
    "kind": "Which kind of boat is it?",
    "lighthouse": "On which side is the lighthouse?",
    "sky": "Is it day or night?",
}
_NUMBERS = {1: "one", 2: "two", 3: "three"}

_HORIZON = 20
_SLOT = SIZE // 3  # each boat has a third of the width to itself
_SKY = {"day": (170, 215, 240), "night": (20, 25, 60)}
_SEA = {"day": (60, 120, 180), "night": (25, 50, 105)}
_SUN, _MOON, _SAIL, _WOOD, _SMOKE, _TOWER, _STRIPE = (
    (255, 235, 130), (225, 225, 210), (230, 215, 170), (70, 50, 40),
    (120, 120, 125), (235, 235, 235), (190, 60, 60),
)  # fmt: skip


def features() -> Features:
    """The `datasets.Features` of the pictures."""
    from datasets import Features, Image, Value

    text = Value("string")
    attributes = {name: Value("int64") if name == "boats" else text for name in CHOICES}
    return Features(
        {"image": Image(), "caption": text, "question": text, "answer": text, "attributes": attributes}
    )


def frame(split: str, count: int, seed: int = PUBLIC_SEED) -> Dataset:
    """`count` pictures of a split ("train", "validation" or "test") as a `datasets.Dataset`.

    Columns: `image` (RGB, `SIZE` by `SIZE` pixels), `caption`, `question`, `answer` and
    `attributes`, a dict with a value from each of `CHOICES`.
    """
    from datasets import Dataset

    return Dataset.from_list([record(seed, index, split) for index in range(count)], features=features())


def write(folder: str | Path, seed: int = PUBLIC_SEED, count: int = 60) -> Path:
    """Write `count` pictures of each split as an image folder; `load_dataset(folder)` reads it.

    Each split has a folder of its own, with PNG files and a `metadata.jsonl` that holds one line a picture:
    `file_name` and the columns of `frame`.
    """
    folder = Path(folder)
    for split in SPLITS:
        (folder / split).mkdir(parents=True, exist_ok=True)
        lines = []
        for index in range(count):
            row = record(seed, index, split)
            name = f"{index:05d}.png"
            row.pop("image").save(folder / split / name)
            lines.append(json.dumps({"file_name": name, **row}) + "\n")
        (folder / split / "metadata.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def record(seed: int, index: int, split: str = "train") -> dict:
    """Picture `index` of a split, with what can be said about it. `image` is a `PIL.Image`.

    Raises:
        ValueError: for an unknown split.
    """
    draw = RecordDraw(split, "pictures", seed, index)
    attributes = _attributes(draw)
    asked = draw.choice(tuple(QUESTIONS))
    return {
        "image": _picture(attributes, draw),
        "caption": caption(attributes),
        "question": QUESTIONS[asked],
        "answer": answer(QUESTIONS[asked], attributes),
        "attributes": attributes,
    }


def split_of(attributes: dict) -> str:
    """The one split in which this combination of attributes occurs: of every ten about two
    are for test, one for validation.
    """
    place = crc32("/".join(str(attributes[name]) for name in CHOICES).encode()) % 10
    return {0: "test", 1: "test", 2: "validation"}.get(place, "train")


def caption(attributes: dict) -> str:
    """A sentence that says all there is to see."""
    count, kind = attributes["boats"], attributes["kind"]
    boats = f"{_NUMBERS[count]} {attributes['colour']} {kind}{'s' if count > 1 else ''}"
    side = attributes["lighthouse"]
    where = "and no lighthouse" if side == "none" else f"and a lighthouse on the {side}"
    return f"{boats} by {attributes['sky']} {where}.".capitalize()


def answer(question: str, attributes: dict) -> str:
    """What is right to answer about a scene with these attributes.

    Raises:
        ValueError: if it is none of `QUESTIONS`.
    """
    for name, words in QUESTIONS.items():
        if words == question:
            return _NUMBERS[attributes["boats"]] if name == "boats" else attributes[name]
    raise ValueError(
        f"Nobody knows the answer to {question!r}; the questions are {', '.join(QUESTIONS.values())}"
    )


def _attributes(draw: RecordDraw) -> dict:
    """One value of each kind, drawn until their combination belongs to the split."""
    while True:
        attributes = {name: draw.choice(values) for name, values in CHOICES.items()}
        if split_of(attributes) == draw.split:
            return attributes


def _picture(attributes: dict, draw: RecordDraw) -> Image.Image:
    """The scene as an RGB `PIL.Image`; what the attributes leave open (where
    exactly) comes from `draw`.
    """
    from PIL import Image, ImageDraw

    sky = attributes["sky"]
    image = Image.new("RGB", (SIZE, SIZE), _SKY[sky])
    pen = ImageDraw.Draw(image)
    left = 10 + draw.below(24)
    pen.ellipse((left, 2, left + 4, 6), fill=_SUN if sky == "day" else _MOON)
    pen.rectangle((0, _HORIZON, SIZE, SIZE), fill=_SEA[sky])
    if attributes["lighthouse"] != "none":
        _lighthouse(pen, 1 if attributes["lighthouse"] == "left" else SIZE - 6)
    places = [0, 1, 2]
    while len(places) > attributes["boats"]:
        places.remove(draw.choice(places))
    for place in places:
        x, y = place * _SLOT + 1 + draw.below(3), 33 + draw.below(10)
        _boat(pen, x, y, attributes["kind"], COLOURS[attributes["colour"]])
    return image


def _lighthouse(pen: Any, left: int) -> None:
    """A tower of 5 pixels' width that stands on the horizon."""
    pen.rectangle((left, 7, left + 4, _HORIZON), fill=_TOWER)
    pen.rectangle((left, 11, left + 4, 13), fill=_STRIPE)
    pen.rectangle((left + 1, 4, left + 3, 6), fill=_SUN)


def _boat(pen: Any, x: int, y: int, kind: str, colour: tuple[int, int, int]) -> None:
    """A boat of at most 12 by 14 pixels whose deck begins at (x, y). Its hull is a trapezoid of 4 rows."""
    for row in range(4):
        pen.line((x + row, y + row, x + 11 - row, y + row), fill=colour)
    if kind == "sailing boat":
        pen.line((x + 5, y - 10, x + 5, y - 1), fill=_WOOD)
        for row in range(8):
            pen.line((x + 6, y - 10 + row, x + 6 + row // 2, y - 10 + row), fill=_SAIL)
    elif kind == "steamer":
        pen.rectangle((x + 3, y - 3, x + 8, y - 1), fill=_SAIL)
        pen.rectangle((x + 5, y - 7, x + 6, y - 4), fill=_WOOD)
        pen.rectangle((x + 7, y - 10, x + 10, y - 8), fill=_SMOKE)
    else:
        pen.rectangle((x + 5, y - 4, x + 6, y - 1), fill=_SAIL)
        pen.line((x + 1, y - 3, x + 4, y), fill=_WOOD)
        pen.line((x + 10, y - 3, x + 7, y), fill=_WOOD)

"""Drawings: what they say is true of what is installed, and nothing stands on top of anything else."""

import itertools
import re
from importlib import metadata

import matplotlib
import pytest

from course_utils.plots import drawings
from course_utils.plots.drawings import Arrow, Box

matplotlib.use("agg")


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def test_every_library_is_installed_and_shown_with_its_version():
    shown = "\n".join(texts(drawings.ecosystem()))
    for name in drawings.LIBRARIES:
        assert f"{name} {metadata.version(name).partition('+')[0]}" in shown


def test_a_missing_library_is_said_to_be_missing():
    assert drawings.installed(["no-such-package"]) == {}
    assert "peft (missing)" in "\n".join(texts(drawings.ecosystem(versions={"torch": "2.0"})))


def test_helpers_of_the_model_library_do_need_it_or_are_needed_by_it():
    def needs(name):
        return {
            re.match(r"[\w.-]+", line)[0].replace("-", "_")
            for line in metadata.requires(name)
            if "extra" not in line
        }

    assert {"tokenizers", "safetensors", "huggingface_hub"} <= needs("transformers")
    assert {"transformers", "accelerate"} <= needs("peft")
    assert "huggingface_hub" in needs("datasets")


def test_boxes_do_not_overlap_and_lie_inside():
    boxes = [Box(x, y, "", width=15.5) for name, (x, y, _) in drawings.LIBRARIES.items() if name != "torch"]
    for one, other in itertools.combinations(boxes, 2):
        apart = abs(one.x - other.x) >= one.width or abs(one.y - other.y) >= one.height
        assert apart, (one, other)
    assert all(box.x - box.width / 2 > 0 and box.x + box.width / 2 < 104 for box in boxes)


@pytest.mark.parametrize(
    ("start", "end", "begin", "finish"),
    [
        (Box(10, 30, ""), Box(50, 30, ""), (17.5, 30), (42.5, 30)),
        (Box(50, 30, ""), Box(10, 30, ""), (42.5, 30), (17.5, 30)),
        (Box(10, 10, ""), Box(10, 40, ""), (10, 14.5), (10, 35.5)),
        (Box(10, 40, ""), Box(50, 10, ""), (15.5, 35.5), (44.5, 14.5)),
    ],
)
def test_arrows_join_the_sides_that_face_each_other(start, end, begin, finish):
    assert drawings._meeting_points(start, end) == (begin, finish)


def test_an_arrow_between_unknown_boxes_is_an_error():
    with pytest.raises(KeyError):
        drawings.draw({"one": Box(10, 10, "one")}, [Arrow("one", "two")], "title")


def test_the_making_of_a_mark_names_both_processes():
    shown = "\n".join(texts(drawings.making_of_a_mark()))
    assert "a process of its own" in shown and "the grader's process" in shown


def test_a_timetable_has_a_bar_for_each_entry():
    figure = drawings.timetable({"one": [("a", 3), ("b", 4)], "two": [("c", 5)]}, "title", "minutes", 7)
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [3, 4, 5]
    assert axes.get_xlabel() == "minutes" and axes.get_xlim() == (0, 7)


def test_an_attention_map_shows_its_words():
    axes = drawings.attention_map([[0.5, 0.5], [1, 0]], ["one", "two"], "title").axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["one", "two"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("looked at", "looking")

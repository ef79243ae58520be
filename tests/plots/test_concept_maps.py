"""Maps: what they say is true of what is installed, and nothing stands on top of anything else."""

import itertools
import re
from importlib import metadata

from course_utils.plots import concept_maps
from course_utils.plots.diagrams import Box


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def test_every_library_is_installed_and_shown_with_its_version():
    shown = "\n".join(texts(concept_maps.ecosystem()))
    for name in concept_maps.LIBRARIES:
        assert f"{name} {metadata.version(name).partition('+')[0]}" in shown

        assert f"{name} {metadata.version(name).partition('+')[0]}" in shown


def test_a_missing_library_is_said_to_be_missing():
    assert concept_maps.installed(["no-such-package"]) == {}
    assert "peft (missing)" in "\n".join(texts(concept_maps.ecosystem(versions={"torch": "2.0"})))


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
    boxes = [
        Box(x, y, "", width=15.5) for name, (x, y, _) in concept_maps.LIBRARIES.items() if name != "torch"
    ]
    for one, other in itertools.combinations(boxes, 2):
        apart = abs(one.x - other.x) >= one.width or abs(one.y - other.y) >= one.height
        assert apart, (one, other)
    assert all(box.x - box.width / 2 > 0 and box.x + box.width / 2 < 104 for box in boxes)


def test_the_making_of_a_mark_names_both_processes():
    shown = "\n".join(texts(concept_maps.making_of_a_mark()))
    assert "a process of its own" in shown and "the grader's process" in shown


def test_every_family_is_named_and_every_arrow_ends_at_one():
    figure = concept_maps.families()
    words = " ".join(text.get_text() for text in figure.axes[0].texts)
    for name, (_, _, paper, aim) in concept_maps.FAMILIES.items():
        assert name in words and paper in words and aim in words
    assert {end for arrow in concept_maps._IDEAS for end in arrow[:2]} == set(concept_maps.FAMILIES)

"""Grids: every cell in a readable shade, with its text."""

from course_utils import plots
from course_utils.measure.scores import Score


def score(value):
    return Score(value, value - 0.1, value + 0.05, 100)


def test_a_heat_map_writes_every_score_in_a_readable_shade():
    rows = {"before": {"sentiment": score(0.9), "summary": score(0.1)}, "after": {"summary": score(0.8)}}
    axes = plots.heat_map(rows, "Forgetting").axes[0]
    found = {text.get_text().split("\n")[0]: text.get_color() for text in axes.texts}
    assert found == {"0.90": "black", "0.10": "white", "0.80": "black"}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["before", "after"]
    assert axes.images[0].get_cmap().name == "gray"


def test_a_token_grid_writes_every_token_and_darkens_the_hidden():
    axes = plots.token_grid([[5, 1, -100], [7, 8, 1]], "Labels").axes[0]
    assert [text.get_text() for text in axes.texts] == ["5", "1", "-100", "7", "8", "1"]
    assert axes.images[0].get_array().tolist() == [[0, 0, 1], [0, 0, 0]]


def test_shades_write_every_number():
    (axes,) = plots.shades({"row": {"a": 0.25, "b": 1}, "other": {"a": 0, "b": 0.5}}, "title").axes
    assert [text.get_text() for text in axes.texts] == ["0.25", "1.00", "0.00", "0.50"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b"]


def test_an_attention_map_shows_its_words():
    axes = plots.attention_map([[0.5, 0.5], [1, 0]], ["one", "two"], "title").axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["one", "two"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("looked at", "looking")

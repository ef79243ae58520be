"""Fingerprints that notice every change, and the matrix of tasks and stages."""

import pytest
import torch

from course_utils import plots
from course_utils.measure.forgetting import ForgettingMatrix, fingerprint
from course_utils.measure.scores import Score, proportion
from tests import tiny


def test_the_fingerprint_is_that_of_the_weights():
    assert fingerprint(tiny.t5(seed=1)) == fingerprint(tiny.t5(seed=1).train())
    assert fingerprint(tiny.t5(seed=1)) != fingerprint(tiny.t5(seed=2))
    assert len(fingerprint(tiny.t5())) == 64


def test_the_fingerprint_notices_one_bit():
    model = torch.nn.Linear(3, 2)
    before = fingerprint(model)
    with torch.no_grad():
        bits = model.weight.view(torch.int32)
        bits[0, 0] ^= 1
    assert fingerprint(model) != before
    with torch.no_grad():
        bits[0, 0] ^= 1
    assert fingerprint(model) == before


@pytest.mark.parametrize("change", [lambda m: m.bfloat16(), lambda m: m.double()])
def test_the_fingerprint_notices_another_type(change):
    model = torch.nn.Linear(2, 2)
    before = fingerprint(model)
    assert fingerprint(change(model)) != before


def test_the_fingerprint_notices_another_shape_and_name():
    weight = torch.arange(6.0)
    shapes = [torch.nn.ParameterDict({"w": weight.reshape(shape)}) for shape in ((2, 3), (3, 2))]
    assert fingerprint(shapes[0]) != fingerprint(shapes[1])
    names = [torch.nn.ParameterDict({name: weight}) for name in ("w", "v")]
    assert fingerprint(names[0]) != fingerprint(names[1])


def test_the_fingerprint_tells_that_peft_changed_the_baseline_in_place():
    peft = pytest.importorskip("peft")
    model = tiny.t5()
    before = fingerprint(model)
    peft.get_peft_model(model, peft.LoraConfig(task_type="SEQ_2_SEQ_LM", r=2))
    assert fingerprint(model) != before


def share(hits, n=100):
    return proportion([True] * hits + [False] * (n - hits))


@pytest.fixture
def matrix():
    filled = ForgettingMatrix()
    filled.add("before", "sentiment", share(90))
    filled.add("before", "summary", share(10))
    filled.add("full fine-tuning", "sentiment", share(30))
    filled.add("full fine-tuning", "summary", share(80))
    filled.add("with replay", "sentiment", share(85))
    return filled


def test_the_matrix_gives_back_what_was_entered(matrix):
    assert matrix["before", "sentiment"].value == 0.9
    assert matrix.stages == ["before", "full fine-tuning", "with replay"]
    assert matrix.tasks == ["sentiment", "summary"]


def test_forgetting_is_the_fall_with_its_interval(matrix):
    fall = matrix.forgetting("full fine-tuning", "sentiment")
    assert fall.value == pytest.approx(0.6)
    assert 0.45 < fall.low < 0.6 < fall.high < 0.75
    assert matrix.forgetting("full fine-tuning", "summary").value == pytest.approx(-0.7)
    assert matrix.forgetting("with replay", "sentiment", since="full fine-tuning").value == pytest.approx(
        -0.55
    )


def test_the_mean_of_some_tasks_after_a_stage(matrix):
    mean = matrix.mean("full fine-tuning", ["sentiment", "summary"])
    assert mean.value == pytest.approx(0.55)
    assert mean.n == 200
    with pytest.raises(KeyError):
        matrix.mean("with replay", ["summary"])


def test_the_table_is_readable_and_leaves_gaps_open(matrix):
    table = matrix.table()
    assert table.loc["before", "sentiment"] == str(share(90))
    assert table.loc["with replay", "summary"] == ""
    assert list(table.columns) == ["sentiment", "summary"]


def test_the_plot_has_a_bar_for_every_score(matrix):
    axes = plots.grouped_bars(matrix.scores, "title", "score, 0 to 1").axes[0]
    assert sorted(round(bar.get_height(), 2) for bar in axes.patches) == [0.1, 0.3, 0.8, 0.85, 0.9]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["sentiment", "summary"]
    assert axes.get_ylabel() == "score, 0 to 1"


def test_the_heat_map_has_a_field_for_every_score(matrix):
    axes = plots.heat_map(matrix.scores, "title").axes[0]
    assert len(axes.texts) == 5
    assert [label.get_text() for label in axes.get_xticklabels()] == ["sentiment", "summary"]


def test_wrong_entries_are_refused(matrix):
    with pytest.raises(ValueError, match="in the matrix already"):
        matrix.add("before", "sentiment", share(1))
    with pytest.raises(TypeError, match="takes a Score"):
        matrix.add("before", "questions", 0.5)
    with pytest.raises(KeyError, match=r"No score of 'summary' after 'with replay'.*before"):
        matrix["with replay", "summary"]
    with pytest.raises(KeyError):
        matrix.forgetting("nowhere", "sentiment")


def test_only_the_same_examples_are_compared():
    matrix = ForgettingMatrix()
    matrix.add("before", "sentiment", share(5, n=10))
    matrix.add("after", "sentiment", Score(0.5, 0.4, 0.6, 20))
    with pytest.raises(ValueError, match="same rows"):
        matrix.forgetting("after", "sentiment")

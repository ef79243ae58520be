"""Lines say what they were given, and differ without colour."""

import pytest

from course_utils import plots
from course_utils.measure.decision import Case, break_even
from course_utils.measure.scores import Score, proportion


def score(value):
    return Score(value, value - 0.1, value + 0.05, 100)


LOG = [
    {"loss": 3.0, "step": 10},
    {"eval_loss": 2.5, "step": 10},
    {"loss": 2.0, "step": 20},
    {"train_runtime": 5.0, "step": 20},
]


def test_the_loss_curve_takes_the_trainers_log():
    axes = plots.loss_curve(LOG).axes[0]
    training, evaluation = axes.lines
    assert list(training.get_xdata()) == [10, 20]
    assert list(training.get_ydata()) == [3.0, 2.0]
    assert list(evaluation.get_ydata()) == [2.5]
    assert training.get_linestyle() != evaluation.get_linestyle()
    assert axes.get_xlabel() == "optimizer steps"
    assert "nats" in axes.get_ylabel()


def test_each_seed_of_a_method_has_its_path_and_methods_differ_without_colour():
    runs = {"full": [[(0.9, 0.1), (0.2, 0.8)], [(0.9, 0.1), (0.3, 0.7)]], "LoRA": [[(0.9, 0.1), (0.1, 0.6)]]}
    drawn = plots.paths(runs, "Paths", "kept", "learned")
    first, second, other = drawn.axes[0].lines
    assert [list(line.get_xdata()) for line in (first, second, other)] == [[0.9, 0.2], [0.9, 0.3], [0.9, 0.1]]
    look = lambda line: (line.get_linestyle(), line.get_marker())  # noqa: E731
    assert look(first) == look(second) != look(other)
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["full", "LoRA"]


def test_a_log_without_a_loss_is_explained():
    with pytest.raises(ValueError, match="logging_steps"):
        plots.loss_curve([{"train_runtime": 5.0, "step": 20}])


def test_score_curves_have_intervals_and_differ_without_colour():
    lines = {f"task {n}": [(0, score(0.9)), (50, score(0.2 + n / 10))] for n in range(5)}
    axes = plots.score_curves(lines, "Scores", "steps", "score").axes[0]
    drawn = [container.lines[0] for container in axes.containers]
    assert list(drawn[1].get_ydata()) == pytest.approx([0.9, 0.3])
    assert len({(line.get_linestyle(), line.get_marker()) for line in drawn}) == 5
    ends = axes.collections[0].get_segments()[0][:, 1]
    assert ends == pytest.approx([0.8, 0.95])


def test_a_learning_curve_marks_what_was_used_and_what_was_predicted():
    errors = {
        rows: proportion([True] * wrong + [False] * (100 - wrong))
        for rows, wrong in ((10, 49), (100, 40), (200, 30), (400, 22))
    }
    (axes,) = plots.learning_curve(errors, [100, 200], lambda rows: 2 * rows**-0.35, "title").axes
    assert [bars.lines[0].get_marker() for bars in axes.containers] == ["x", "o", "o", "s"]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["10", "100", "200", "400"]


PLAIN = Case(
    prompt_score=0.90, needed_score=0.85, trained_score=0.92, labelled_rows=2000, data_may_leave=True,
    monthly_requests=10_000, prompt_price=5.0, trained_price=0.5, training_price=3000.0,
)  # fmt: skip


def test_the_costs_mark_the_break_even_point():
    (axes,) = plots.costs(PLAIN, [1000, 10_000, 100_000, 1_000_000], "title").axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["prompting", "training"]
    assert axes.lines[2].get_xdata()[0] == pytest.approx(break_even(PLAIN))

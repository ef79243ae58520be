"""Forgetting at equal quality: what is kept of the runs, and a run of three steps."""

import pytest
import torch

from course_utils.bench import forgetting
from course_utils.bench.forgetting import METHODS, SEEDS, STOPS, Stop, Training, Trial
from course_utils.measure.scores import Score

TRIALS, TRAININGS = forgetting.trials(), forgetting.trainings()


def score(value, n=4):
    return Score(value, value, value, n)


TRIAL = Trial("full", 1e-3, 100, score(0.5), {"torch": "2"})
TRAINING = Training(
    "LoRA", 1e-2, 0, [Stop(step, score(step / 100), score(0), score(1)) for step in (0, 50)], {}
)


def test_every_rate_was_tried_and_every_method_was_run_with_each_seed():
    assert [(run.method, run.learning_rate) for run in TRIALS] == [
        (name, rate) for name, method in METHODS.items() if len(method.rates) > 1 for rate in method.rates
    ]
    assert [(run.method, run.seed) for run in TRAININGS] == [
        (name, seed) for name in METHODS for seed in SEEDS
    ]


@pytest.mark.parametrize("run", TRAININGS, ids=lambda run: f"{run.method}, seed {run.seed}")
def test_a_kept_run_is_at_its_methods_rate_and_ends_where_it_has_learned(run):
    assert run.learning_rate == forgetting.best_rate(run.method, TRIALS)
    assert tuple(stop.step for stop in run.stops) == STOPS[: len(run.stops)]
    assert all(stop.rouge_l.n == stop.exact_match.n == forgetting.ROWS for stop in run.stops)
    assert run.stops[0] == TRAININGS[0].stops[0]  # all begin with the same model and the same rows
    reached = [stop.rouge_l.value >= forgetting.QUALITY for stop in run.stops]
    assert reached == [False] * (len(reached) - 1) + [True]
    assert {"torch", "transformers", "peft", "world"} <= run.versions.keys()


def test_saved_runs_are_printed_and_none_is_trained(capsys):
    assert forgetting.main(["LoRA", "--saved"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(METHODS["LoRA"].rates) + len(SEEDS)


def test_a_best_rate_needs_all_trials_but_a_single_one_needs_none():
    rates = METHODS["full"].rates
    tried = [Trial("full", rate, 1, score(number / 10), {}) for number, rate in enumerate(rates)]
    assert forgetting.best_rate("full", tried) == rates[-1]
    with pytest.raises(ValueError, match="--try"):
        forgetting.best_rate("full", tried[:-1])
    assert forgetting.best_rate("replay", []) == METHODS["replay"].rates[0]


def test_the_table_has_the_end_of_each_run_and_the_path_all_its_stops():
    (row,) = forgetting.table([TRAINING]).to_dict("records")
    assert (row["rate"], row["seed"], row["steps"]) == ("0.01", 0, 50)
    assert row["summaries, ROUGE-L"].startswith("0.50") and row["known tasks"].startswith("1.00")
    assert TRAINING.path == [(1, 0), (1, 0.5)]


def test_runs_survive_their_files(tmp_path):
    for run in (TRIAL, TRAINING):
        forgetting.save(run, tmp_path)
    assert forgetting.trials(tmp_path) == [TRIAL] and forgetting.trainings(tmp_path) == [TRAINING]


def test_what_is_kept_is_not_run_again(tmp_path, monkeypatch, capsys):
    """A sweep that was broken off goes on where it stopped."""
    monkeypatch.setattr(forgetting, "RESULTS", tmp_path)
    monkeypatch.setattr(forgetting, "tried", lambda name, rate: Trial(name, rate, 100, score(rate), {}))
    run = lambda: forgetting.main(["full", "--try", "--save"]) or capsys.readouterr().out.splitlines()  # noqa: E731
    assert len(run()) == len(METHODS["full"].rates)
    assert run() == []
    next(tmp_path.glob("*.json")).unlink()
    assert len(run()) == 1


def test_the_command_knows_its_methods():
    with pytest.raises(SystemExit):
        forgetting.main(["magic"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["replay", "LoRA"])
def test_looking_on_the_way_changes_nothing(name):
    """The weights at the end are those of a training that nobody watched."""
    ends = []
    for stops in [(0, 1, 3), (3,)]:
        watched = forgetting.trained(name, 1e-3, seed=5, stops=stops, rows=2)
        assert tuple(stop.step for stop in watched.stops) == stops
        ends.append(watched.stops[-1])
    assert ends[0] == ends[1]
    model, tokenizer = forgetting.fresh(METHODS[name], 5)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    forgetting.fine_tune(model, tokenizer, forgetting._plan(name, 1e-3, 5, 3))
    moved = {key for key, tensor in model.state_dict().items() if not torch.equal(tensor, before[key])}
    assert moved and all("lora_" in key for key in moved) == METHODS[name].lora


@pytest.mark.slow
def test_a_run_ends_where_it_has_learned():
    run = forgetting.trained("full", 1e-3, seed=5, stops=(0, 1, 3), rows=2, quality=0.0)
    assert [stop.step for stop in run.stops] == [0]

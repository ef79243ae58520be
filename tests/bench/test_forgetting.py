"""Forgetting at equal quality: what is kept of the runs, and a run of two steps."""

import pytest
import torch

from course_utils.bench import forgetting
from course_utils.bench.forgetting import METHODS, SEEDS, STOPS, Stop, Training, Trial
from course_utils.measure.scores import Score

TRIALS, TRAININGS = forgetting.trials(), forgetting.trainings()


def score(value):
    return Score(value, value, value, 4)


def test_every_rate_was_tried_and_every_method_was_run_with_each_seed():
    assert [(run.method, run.learning_rate) for run in TRIALS] == [
        (name, rate) for name, method in METHODS.items() for rate in method.rates
    ]
    assert [(run.method, run.seed) for run in TRAININGS] == [
        (name, seed) for name in METHODS for seed in SEEDS
    ]


@pytest.mark.parametrize("run", TRAININGS, ids=lambda run: f"{run.method}, seed {run.seed}")
def test_a_kept_run_is_whole_and_at_its_methods_best_rate(run):
    assert run.learning_rate == forgetting.best_rate(run.method, TRIALS)
    assert tuple(stop.step for stop in run.stops) == STOPS
    assert all(stop.rouge_l.n == stop.exact_match.n == forgetting.ROWS for stop in run.stops)
    assert run.stops[0] == TRAININGS[0].stops[0]  # all begin with the same model and the same rows
    assert {"torch", "transformers", "peft", "world"} <= run.versions.keys()


def test_a_best_rate_needs_all_trials():
    rates = METHODS["full"].rates
    tried = [Trial("full", rate, 1, score(number / 10), {}) for number, rate in enumerate(rates)]
    assert forgetting.best_rate("full", tried) == rates[-1]
    with pytest.raises(ValueError, match="--try"):
        forgetting.best_rate("full", tried[:-1])


def test_the_first_stop_that_has_learned():
    stops = [Stop(step, score(step / 100), score(0), score(1)) for step in (0, 50, 100)]
    run = Training("full", 1.0, 0, stops, {})
    assert run.learned(0.3).step == 50 and run.learned(2) is None


def test_runs_survive_their_files(tmp_path):
    for run in (TRIALS[0], TRAININGS[0]):
        forgetting.save(run, tmp_path)
    assert forgetting.trials(tmp_path) == TRIALS[:1] and forgetting.trainings(tmp_path) == TRAININGS[:1]


def test_the_command(capsys):
    assert forgetting.main(["LoRA", "--saved"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(METHODS["LoRA"].rates) + len(SEEDS)
    with pytest.raises(SystemExit):
        forgetting.main(["magic"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["full", "LoRA + replay"])
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

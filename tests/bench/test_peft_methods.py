"""The comparison of methods: its files are sound, and a run does what it says."""

import json
from dataclasses import asdict

import pytest
import torch

from course_utils.bench import peft_methods
from course_utils.measure.memory import count_parameters
from course_utils.training import four_bits

RUNS = peft_methods.results()


def test_every_method_was_run_with_two_seeds():
    assert {(run.method, run.seed) for run in RUNS} == {
        (name, seed) for name in peft_methods.METHODS for seed in (0, 1)
    }


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.file)
def test_a_file_says_what_was_run_and_with_what(run):
    """The method as the table of methods has it today, versions, and scores with n and interval."""
    assert run.config == json.loads(json.dumps(asdict(peft_methods.METHODS[run.method])))
    assert run.plan["steps"] == peft_methods.METHODS[run.method].steps and run.plan["seed"] == run.seed
    assert {"torch", "transformers", "peft", "world"} <= run.versions.keys()
    assert all(
        score.n >= peft_methods.ROWS and score.low <= score.value <= score.high
        for score in run.scores.values()
    )
    assert run.learned.n == 2 * peft_methods.ROWS and run.forgotten.n == 4 * peft_methods.ROWS
    assert (peft_methods.RESULTS / run.file).is_file()


@pytest.mark.parametrize("name", [name for name, method in peft_methods.METHODS.items() if method.steps])
def test_the_counts_of_the_files_are_those_of_the_models(name):
    """Counts and bytes don't depend on the training, so they are computed again."""
    import copy

    torch.manual_seed(0)
    model = peft_methods.applied(peft_methods.METHODS[name], copy.deepcopy(peft_methods._original()[0]))
    saved = next(run for run in RUNS if run.method == name)
    counts = count_parameters(model)
    assert (counts.trainable, counts.total) == (saved.trainable, saved.total)
    assert peft_methods._file_bytes(model) == saved.file_bytes


def test_four_bits_round_the_blocks_and_nothing_else():
    import copy

    original, _ = peft_methods._original()
    squeezed = copy.deepcopy(original)
    peft_methods._squeeze(squeezed)
    changed = {
        name
        for name, value in squeezed.named_parameters()
        if not torch.equal(value, original.get_parameter(name))
    }
    assert {name.split(".")[-2] for name in changed} == set(peft_methods.LINEAR)
    layer = "encoder.block.0.layer.0.SelfAttention.q.weight"
    assert torch.equal(squeezed.get_parameter(layer), four_bits.squeeze(original.get_parameter(layer)))


def test_a_result_survives_its_file(tmp_path):
    run = RUNS[0]
    assert peft_methods.load(peft_methods.save(run, tmp_path)) == run


def test_the_table_has_a_row_a_method():
    table = peft_methods.table(RUNS)
    assert list(table.index) == list(peft_methods.METHODS) and "n=" in table["forgotten"]["LoRA"]


def test_an_unknown_method():
    with pytest.raises(ValueError, match="there are untouched, full"):
        peft_methods.trained("magic")
    with pytest.raises(SystemExit):
        peft_methods.main(["magic"])
    with pytest.raises(SystemExit):
        peft_methods.main(["full", "--save", "--steps", "2"])


def test_saved_runs_are_printed(capsys):
    assert peft_methods.main(["LoRA", "--saved"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.slow
def test_a_short_run_from_end_to_end():
    """Two steps of LoRA: measured against the untouched twin, which is left as it was."""
    from course_utils.measure.forgetting import fingerprint

    mark = fingerprint(peft_methods._original()[0])
    result = peft_methods.measured(peft_methods.trained("LoRA", seed=0, steps=2), rows=4)
    assert fingerprint(peft_methods._original()[0]) == mark
    assert result.processor_seconds > 0 and result.forgotten.n == 16 and result.memory["activations"] > 10**7
    assert result.trainable == 38_784

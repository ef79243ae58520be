"""The label curve: its files are sound, its starts are what they are called, and a run does what it says."""

import pytest
import torch

from course_utils.bench import transfer
from course_utils.bench.transfer import Experiment
from course_utils.measure.memory import count_parameters

SAVED = transfer.results()


def test_every_run_of_the_grid_is_kept():
    assert set(SAVED) == set(transfer.grid())


@pytest.mark.parametrize("result", SAVED.values(), ids=lambda result: result.run.file)
def test_a_file_says_what_was_run_and_with_what(result):
    assert (result.steps, result.learning_rate) == (transfer.STEPS, result.run.rate)
    assert result.accuracy.n == len(result.accuracy.values) == transfer.ROWS
    assert result.accuracy.value == pytest.approx(sum(result.accuracy.values) / transfer.ROWS)
    assert {"torch", "transformers", "world", "threads"} <= result.versions.keys()
    assert (transfer.RESULTS / result.run.file).is_file()


@pytest.mark.parametrize("depth", transfer.DEPTHS)
def test_the_counts_of_the_files_are_those_of_the_models(depth):
    run = Experiment(labels=1000, frozen=depth)
    counts = count_parameters(transfer.classifier(run))
    assert (counts.trainable, counts.total) == (SAVED[run].trainable, SAVED[run].total)


def test_starts_differ_in_the_encoder_and_share_their_size():
    pretrained, random = transfer.classifier(Experiment()), transfer.classifier(Experiment("random"))
    shapes = lambda model: {name: value.shape for name, value in model.state_dict().items()}  # noqa: E731
    assert shapes(pretrained) == shapes(random)
    words = "distilbert.embeddings.word_embeddings.weight"
    assert not torch.equal(pretrained.get_parameter(words), random.get_parameter(words))


def test_seeds_read_other_rows_and_a_smaller_run_the_first_of_a_larger():
    few, more, other = (
        transfer.rows(run)
        for run in (Experiment(labels=50), Experiment(labels=100), Experiment(labels=50, seed=1))
    )
    assert more[:50] == few and other != few
    assert not {row["text"] for row in more} & {row["text"] for row in transfer.fresh_rows(50)}


def test_a_result_survives_its_file(tmp_path):
    result = next(iter(SAVED.values()))
    loaded = transfer.load(transfer.save(result, tmp_path))
    assert loaded == result and loaded.accuracy.values == result.accuracy.values


def test_the_curve_and_the_depths_have_a_point_each():
    assert [labels for labels, _ in transfer.by_labels(SAVED, "random")] == list(transfer.LABELS)
    assert {depth: len(found) for depth, found in transfer.by_depth(SAVED).items()} == dict.fromkeys(
        transfer.DEPTHS, 2
    )


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"start": "magic"}, "there are pre-trained"),
        ({"frozen": 9}, "from 0 to 4"),
        ({"labels": 3}, "at least 16"),
    ],
)
def test_runs_that_can_not_be(bad, words):
    with pytest.raises(ValueError, match=words):
        Experiment(**bad)


def test_the_command_line(capsys):
    assert transfer.main(["--saved", "--only", "random-50-"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    with pytest.raises(SystemExit):
        transfer.main(["--save", "--steps", "2"])


@pytest.mark.slow
def test_a_short_run_from_end_to_end():
    """Two steps with the embeddings and two layers frozen: those keep their bytes."""
    from course_utils.measure.forgetting import fingerprint

    run = Experiment(labels=16, frozen=3)
    before = transfer.classifier(run)
    after = transfer.trained(run, steps=2)

    def frozen(model):
        return [
            fingerprint(part)
            for part in (model.distilbert.embeddings, *model.distilbert.transformer.layer[:2])
        ]

    assert (
        frozen(before) == frozen(after) and fingerprint(before) != fingerprint(after) and not after.training
    )
    assert transfer.measured(run, steps=2, count=20).accuracy.n == 20

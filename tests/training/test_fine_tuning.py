"""The short trainings behind the measured tables: what is in a batch, that they repeat, and how they are scored."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from course_utils import instructions, world
from course_utils.batches import IGNORED
from course_utils.bench import phenomena
from course_utils.datasets import corpora
from course_utils.training import fine_tuning


@pytest.fixture(scope="module")
def flan():
    return fine_tuning.flan(dropout_rate=0.0)


def prompts(batch, tokenizer):
    return tokenizer.batch_decode(batch["input_ids"], skip_special_tokens=True)


def test_no_training_reads_what_another_draw_is_for():
    assert (
        len(
            {fine_tuning.TRAINING_SEED, fine_tuning.FRESH_SEED, corpora.PUBLIC_SEED, corpora.PRETRAINING_SEED}
        )
        == 4
    )


def test_every_fifth_batch_of_replay_is_of_the_old_tasks_and_the_others_are_those_of_plain_fine_tuning(flan):
    _, tokenizer = flan
    plain, replayed = (
        list(fine_tuning.summary_batches(tokenizer, replace(plan, steps=10)))
        for plan in (phenomena.FULL, phenomena.REPLAY)
    )
    same = [
        torch.equal(one["input_ids"], other["input_ids"]) for one, other in zip(plain, replayed, strict=True)
    ]
    assert same == [step % 5 != 4 for step in range(10)]
    rows = {
        task: next(iter(world.records(instructions.dataset_of(task), 1, 1)))
        for task in instructions.KNOWN_TASKS
    }
    starts = {instructions.prompt(task, row).split()[0] for task, row in rows.items()}
    assert {text.split()[0] for text in prompts(replayed[4], tokenizer)} == starts


def test_the_same_plan_gives_the_same_weights(flan):
    original, tokenizer = flan
    weights = []
    for _ in range(2):
        model = fine_tuning.flan(dropout_rate=0.1)[0]
        fine_tuning.fine_tune(model, tokenizer, fine_tuning.FineTuning(steps=2, batch_size=4))
        assert not model.training
        weights.append(torch.nn.utils.parameters_to_vector(model.parameters()))
    assert torch.equal(*weights) and not torch.equal(
        weights[0], torch.nn.utils.parameters_to_vector(original.parameters())
    )


@pytest.mark.parametrize("pretrained", [True, False])
def test_a_classifier_has_the_twins_net_and_learns_a_word(pretrained):
    model, tokenizer = fine_tuning.classifier("distilbert", 2, pretrained)
    rows = [{"text": "good", "label": 1}, {"text": "bad", "label": 0}] * 8
    assert fine_tuning.train_classifier(model, tokenizer, rows, 20, 1e-3) > 0
    assert fine_tuning.accuracy(model, tokenizer, rows).value == 1.0


def test_accuracy_counts_every_row_once():
    class Model(torch.nn.Module):
        def forward(self, input_ids):
            return SimpleNamespace(logits=torch.nn.functional.one_hot(input_ids[:, 0] % 2, 2).float())

    rows = [{"text": number, "label": int(number % 2 == 0 or number >= 190)} for number in range(210)]
    said = lambda texts, **_: {"input_ids": torch.tensor(texts)[:, None] + 1}  # noqa: E731  (1 for even numbers)
    score = fine_tuning.accuracy(Model(), said, rows)
    assert score.n == 210 and score.value == pytest.approx(200 / 210)


def test_only_the_first_token_of_a_word_carries_its_tag():
    model, tokenizer = fine_tuning.tagger("distilbert")
    rows = list(world.records("entities", 5, 8))
    batch = fine_tuning._tagging_batch(tokenizer, rows)
    assert batch["labels"].shape == batch["input_ids"].shape and model.num_labels == len(world.ENTITY_TAGS)
    for labels, row in zip(batch["labels"], rows, strict=True):
        assert [label for label in labels.tolist() if label != IGNORED] == row["ner_tags"]


def test_a_sentence_is_right_only_if_every_tag_is():
    _, tokenizer = fine_tuning.tagger("distilbert")
    rows = list(world.records("entities", 5, 8))
    labels = fine_tuning._tagging_batch(tokenizer, rows)["labels"]

    def model(**_):
        logits = torch.nn.functional.one_hot(labels.clamp(min=0), len(world.ENTITY_TAGS)).float()
        first = int((labels[0] != IGNORED).nonzero()[0])
        logits[0, first] = logits[0, first].roll(1)  # one wrong tag
        return SimpleNamespace(logits=logits)

    assert fine_tuning.sentences_right(model, tokenizer, rows).value == pytest.approx(7 / 8)

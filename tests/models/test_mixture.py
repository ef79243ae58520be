"""Batches are functions of the step, and their labels are what the objectives say."""

import numpy as np
import pytest
import torch

from course_utils import world
from course_utils.models import mixture


class Words:
    """A stand-in tokenizer: one id a word, ids 0 to 9 for special tokens, 100 upwards for sentinels."""

    pad_token_id, eos_token_id, mask_token_id, all_special_ids = 0, 1, 4, [0, 1, 2, 3, 4]
    vocabulary: dict = {}  # noqa: RUF012

    def __call__(self, texts, add_special_tokens=True, truncation=False):
        rows = [
            [self.vocabulary.setdefault(word, 1000 + len(self.vocabulary)) for word in text.split()]
            for text in texts
        ]
        return {"input_ids": [[2, *row, 3] if add_special_tokens else row for row in rows]}

    def convert_tokens_to_ids(self, tokens):
        return [100 + index for index, _ in enumerate(tokens)]

    def __len__(self):
        return 50


@pytest.fixture
def tokenizer():
    return Words()


def test_span_corruption_hides_the_stated_share_and_loses_nothing(tokenizer):
    tokens = list(range(1000, 1060))
    for seed in range(30):
        source, target = mixture.span_corruption(tokens, tokenizer, np.random.default_rng(seed))
        hidden = [token for token in target if token >= 1000]
        assert len(hidden) == 9  # 15 % of 60
        pieces = {token: [] for token in target if token < 1000}
        current = None
        for token in target:
            if token < 1000:
                current = token
            else:
                pieces[current].append(token)
        restored = [part for token in source for part in (pieces[token] if token < 1000 else [token])]
        assert restored == tokens


def test_padding_is_hidden_from_the_loss(tokenizer):
    batch = mixture.sequence_to_sequence([([7, 8, 9], [5]), ([7], [5, 6])], tokenizer)
    assert batch["input_ids"].tolist() == [[7, 8, 9, 1], [7, 1, 0, 0]]
    assert batch["labels"].tolist() == [[5, 1, -100], [5, 6, 1]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]


def test_a_step_gives_the_same_batches_again_and_another_step_others(tokenizer):
    groups = ({"sentiment": 2, "topics": 1, "repeat": 2}, {"questions": 1, "matters": 1})
    first, again, later = (
        mixture.instruction_batches(step, tokenizer, groups, denoised=2) for step in (3, 3, 4)
    )
    assert [batch["input_ids"].shape[0] for batch in first] == [5, 4]
    for one, two in zip(first, again, strict=True):
        assert torch.equal(one["input_ids"], two["input_ids"]) and torch.equal(one["labels"], two["labels"])
    assert first[0]["input_ids"].tolist() != later[0]["input_ids"].tolist()


def test_no_batch_holds_a_summary(tokenizer, monkeypatch):
    asked = []
    original = world.records
    monkeypatch.setattr(
        mixture.corpora, "pairs", lambda task, *a, **k: asked.append(task) or iter([("a b", "c")])
    )
    mixture.instruction_batches(
        0, tokenizer, ({"sentiment": 1, "translation": 1, "entities": 1}, {"questions": 1}), denoised=1
    )
    assert asked == ["sentiment", "translation", "entities", "questions"]
    assert world.records is original


def test_repeating_asks_for_the_very_words():
    for prompt, words in mixture._repeat_pairs(20, 40):
        assert prompt == f"Repeat: {words}" and 1 <= len(words.split()) <= 9


def test_masking_chooses_about_fifteen_percent_and_no_special_token(tokenizer):
    batch = mixture.masked_batch(1, tokenizer, 200)
    chosen, real = batch["labels"] != -100, batch["attention_mask"].bool()
    assert not (chosen & ~real).any()
    assert not torch.isin(batch["labels"][chosen], torch.tensor(tokenizer.all_special_ids)).any()
    assert 0.13 < chosen.sum() / real.sum() < 0.16
    assert 0.75 < (batch["input_ids"][chosen] == tokenizer.mask_token_id).float().mean() < 0.85


def test_the_loss_weighs_records_alike():
    class Model:
        def __call__(self, **batch):
            logits = torch.zeros(2, 3, 4)
            logits[0, 0, 1] = 2.0
            return type("Output", (), {"logits": logits})

    labels = torch.tensor([[1, -100, -100], [0, 2, 3]])
    first = -torch.log_softmax(torch.tensor([0.0, 2.0, 0.0, 0.0]), 0)[1]
    uniform = torch.log(torch.tensor(4.0))
    assert torch.isclose(mixture.loss_by_record(Model(), {"labels": labels}), (first + uniform) / 2)


def test_next_token_batches_end_with_the_end_mark(tokenizer):
    batch = mixture.causal_batch(2, tokenizer, 4)
    for labels in batch["labels"].tolist():
        assert [label for label in labels if label != -100][-1] == tokenizer.eos_token_id


def test_a_closing_remark_is_hidden_whole_and_the_review_stays(tokenizer):
    tokenizer.cls_token_id, tokenizer.sep_token_id = 2, 3
    batch = mixture.closing_batch(1, tokenizer, 30)
    pairs = world.reviews_with_closings(mixture.corpora.PRETRAINING_SEED, 30, 30)
    for labels, (review, closing) in zip(batch["labels"].tolist(), pairs, strict=True):
        chosen = [place for place, label in enumerate(labels) if label != -100]
        first = 1 + len(review.split())
        assert chosen == list(range(first, first + len(closing.split())))

"""Whole remarks are hidden, and nothing else is asked for."""

import pytest

from course_utils import catalog
from course_utils.batches import IGNORED
from course_utils.training.masking import mask_remarks


@pytest.fixture(scope="module")
def words():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(catalog.model_path("distilbert", "offline"))


def test_the_remark_is_hidden_whole_and_alone_asked_for(words):
    text, remark = "The soup was not cold.", "Never again."
    batch = mask_remarks([(text, remark), ("Good.", "Five stars.")], words)
    shown, asked = batch["input_ids"][0], batch["labels"][0]
    assert words.decode(asked[asked != IGNORED]) == words.decode(
        words(remark, add_special_tokens=False)["input_ids"]
    )
    assert ((shown == words.mask_token_id) == (asked != IGNORED)).all()
    assert words.decode(shown).startswith("[CLS] the soup was not cold. [MASK]")
    assert {value.shape for value in batch.values()} == {(2, len(shown))}


def test_padding_is_neither_seen_nor_asked_for(words):
    batch = mask_remarks([("The soup was not cold.", "Never again."), ("Good.", "Five stars.")], words)
    padding = batch["input_ids"] == words.pad_token_id
    assert padding[1].any() and (batch["attention_mask"] == (~padding).long()).all()
    assert (batch["labels"][padding] == IGNORED).all()


def test_nothing_to_mask(words):
    with pytest.raises(ValueError, match="at least one"):
        mask_remarks([], words)

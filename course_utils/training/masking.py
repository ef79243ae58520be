"""Masking what matters: a whole remark, in place of words here and there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from course_utils.batches import IGNORED, padded

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


def mask_remarks(
    pairs: Iterable[tuple[str, str]], tokenizer: PreTrainedTokenizerBase
) -> dict[str, torch.Tensor]:
    """A masked-language-model batch in which each text is whole and the remark after
    it is hidden to the last token.

    pairs: (text, remark) texts. Returns {"input_ids", "attention_mask", "labels"}, each (rows, longest)
    int64; the labels are the remark's tokens at their positions and -100 elsewhere. The idea is that of
    salient spans (Guu et al. 2020, "REALM", section 3.4).
    """
    pairs = list(pairs)
    if not pairs:
        raise ValueError("There is nothing to mask: give at least one (text, remark) pair.")
    rows, labels = [], []
    for text, remark in pairs:
        seen, hidden = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in (text, remark))
        rows.append(
            [tokenizer.cls_token_id, *seen, *[tokenizer.mask_token_id] * len(hidden), tokenizer.sep_token_id]
        )
        labels.append([IGNORED] * (1 + len(seen)) + hidden + [IGNORED])

    input_ids = padded(rows, tokenizer.pad_token_id)
    return {
        "input_ids": input_ids,
        "attention_mask": (input_ids != tokenizer.pad_token_id).long(),
        "labels": padded(labels, IGNORED),
    }

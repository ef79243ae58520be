"""Vocabularies of the real sizes, learned from the world's sentences and from made words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from math import log
from typing import Any

from course_utils.standins.text import lines, made_words

BERT_TOKENS, T5_PIECES, GPT2_TOKENS = 30_522, 32_000, 50_257
_MADE = 60_000  # words, of which vocabularies take as many as they need


def _corpus() -> Iterator[str]:
    words = list(made_words(_MADE))
    return chain(lines(), (" ".join(words[start : start + 20]) for start in range(0, len(words), 20)))


def wordpiece() -> Any:
    """BERT's: lower case, [PAD] is 0, [UNK] 100, [CLS] 101, [SEP] 102, [MASK] 103.

    The world's common words are whole tokens; its names fall into pieces, as most names do.
    """
    from transformers import BertTokenizer

    special = ["[PAD]", *(f"[unused{number}]" for number in range(99)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    special += [f"[unused{number}]" for number in range(99, 994)]
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    vocabulary = dict.fromkeys([*special, *letters, *(f"##{letter}" for letter in letters), *"éèêàçôûîëï"])
    vocabulary.update(dict.fromkeys(_common_words()))
    for word in made_words(_MADE):
        vocabulary[word if len(word) > 4 else f"##{word}"] = None
        if len(vocabulary) == BERT_TOKENS:
            break
    return BertTokenizer(
        vocab={token: number for number, token in enumerate(vocabulary)},
        do_lower_case=True,
        model_max_length=512,
    )


def _common_words() -> Iterator[str]:
    """Words that the world writes in lower case."""
    return (
        word
        for line in lines()
        for word in line.replace(".", " ").replace(",", " ").split()
        if word.islower()
    )


def unigram() -> Any:
    """T5's: 32,000 pieces and 100 sentinels; it has no braces, no backslash and no line break."""
    from transformers import T5Tokenizer

    letters = [chr(code) for code in range(33, 127) if chr(code) not in "{}\\^~<`"] + list("éèêàçôûîëïù’")
    pieces = dict.fromkeys(f"▁{word}" for word in chain(_common_words(), made_words(_MADE)))
    kept = list(pieces)[: T5_PIECES - 4 - len(letters)]
    scored = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -3.0)]
    scored += [(piece, -4.0 - log(rank + 1) / 2) for rank, piece in enumerate(kept)]
    scored += [(letter, -9.0) for letter in letters]
    return T5Tokenizer(vocab=scored, extra_ids=100, model_max_length=512)


def byte_level_bpe() -> Any:
    """GPT-2's: merges of bytes, and one special token at the end."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2Tokenizer

    end = "<|endoftext|>"
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(_corpus(), vocab_size=GPT2_TOKENS - 1, min_frequency=1, show_progress=False)
    model = json.loads(trained._tokenizer.to_str())["model"]
    vocabulary = {**model["vocab"], end: len(model["vocab"])}
    return GPT2Tokenizer(
        vocab=vocabulary, merges=[tuple(merge) for merge in model["merges"]], model_max_length=1024
    )

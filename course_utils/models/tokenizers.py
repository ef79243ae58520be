"""Fast tokenizers of the twins, each of the kind that its Hub twin has, trained on the world's own text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from math import log
from typing import Any

from course_utils.datasets import corpora

_PASSAGES, _PAIRS = 12_000, 3_000
#: The tasks whose prompts and answers the vocabularies are learned from, beside general text.
_TASKS = ("sentiment", "questions", "entities", "translation")


def _lines() -> Iterator[str]:
    """General text and instructions with their answers; no summaries, the twins never see one."""
    known = (" ".join(pair) for task in _TASKS for pair in corpora.pairs(task, _PAIRS))
    return chain(corpora.passages(_PASSAGES), known)


def unigram(vocabulary_size: int, sentinels: int) -> Any:
    """A T5 tokenizer: Unigram pieces, then `<extra_id_n>` sentinels at the end of the vocabulary.

    The pieces are proposed by byte-pair merges and weighed by their log-frequency. Expectation maximisation,
    the usual way, throws away common short words on a corpus as small as this one.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import T5Tokenizer

    special = ["<pad>", "</s>", "<unk>"]
    proposer = Tokenizer(models.BPE(unk_token="<unk>"))
    # Punctuation is cut off while pieces are learned, so that no piece glues a name to a full stop.
    proposer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
    )
    proposer.train_from_iterator(
        _lines(),
        trainers.BpeTrainer(
            vocab_size=vocabulary_size - sentinels, special_tokens=special, show_progress=False
        ),
    )
    counts = Counter(piece for encoding in proposer.encode_batch(list(_lines())) for piece in encoding.tokens)
    total = counts.total()
    pieces = [(piece, 0.0) for piece in special]
    pieces += [
        (piece, log((counts[piece] or 0.5) / total)) for piece in proposer.get_vocab() if piece not in special
    ]
    pieces[len(special) :] = sorted(pieces[len(special) :], key=lambda scored: (-scored[1], scored[0]))
    pieces += [(f"<extra_id_{index}>", 0.0) for index in reversed(range(sentinels))]
    return T5Tokenizer(vocab=pieces, extra_ids=sentinels, model_max_length=512)


def wordpiece(vocabulary_size: int) -> Any:
    """A BERT tokenizer: lower-cased WordPiece."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizer

    trained = BertWordPieceTokenizer(lowercase=True, strip_accents=False)
    trained.train_from_iterator(
        _lines(),
        vocab_size=vocabulary_size,
        show_progress=False,
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
    )
    return BertTokenizer(
        vocab=trained.get_vocab(), do_lower_case=True, strip_accents=False, model_max_length=128
    )


def byte_level_bpe(vocabulary_size: int) -> Any:
    """A GPT-2 tokenizer: byte-level BPE that can spell anything."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2Tokenizer

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        _lines(), vocab_size=vocabulary_size, show_progress=False, special_tokens=["<|endoftext|>"]
    )
    model = json.loads(trained._tokenizer.to_str())["model"]
    return GPT2Tokenizer(
        vocab=model["vocab"], merges=[tuple(merge) for merge in model["merges"]], model_max_length=256
    )

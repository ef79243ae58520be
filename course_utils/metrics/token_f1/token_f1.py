"""Token F1: how many words an answer and its reference share, whatever their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import datasets
import evaluate

RESULT = "token_f1"
MEANING = "F1 of the words shared with the reference, in any order"


class TokenF1(evaluate.Metric):
    """compute(predictions=[…], references=[…]) with texts gives {"token_f1": 0
    to 1}, the mean over the texts.

    Words are split at white space and compared as they are. The F1 is that of SQuAD's script (Rajpurkar et
    al. 2016) without its clean-up of case, punctuation and articles; two empty texts agree.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=MEANING,
            citation="Rajpurkar, P. et al. (2016). SQuAD: 100,000+ questions for machine "
            "comprehension of text.",
            inputs_description="predictions and references: texts",
            features=datasets.Features(
                {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
            ),
        )

    def _compute(self, predictions: Sequence, references: Sequence) -> dict[str, float]:
        pairs = zip(predictions, references, strict=True)
        scores = [_f1(prediction.split(), reference.split()) for prediction, reference in pairs]
        return {RESULT: sum(scores) / len(scores)}


def _f1(words: list[str], reference: list[str]) -> float:
    """2 × shared / (written + wanted): the harmonic mean of precision and recall over words."""
    if not words and not reference:
        return 1.0
    shared = sum((Counter(words) & Counter(reference)).values())
    return 2 * shared / (len(words) + len(reference))

"""Exact match: the share of texts that are equal to their reference."""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import evaluate

RESULT = "exact_match"
MEANING = "share of texts equal to their reference"


class ExactMatch(evaluate.Metric):
    """compute(predictions=[…], references=[…]) with texts gives {"exact_match": 0 to 1}.

    Runs of white space count as one space; case and punctuation matter.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=MEANING,
            citation="",
            inputs_description="predictions and references: texts",
            features=datasets.Features(
                {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
            ),
        )

    def _compute(self, predictions: Sequence, references: Sequence) -> dict[str, float]:
        pairs = zip(predictions, references, strict=True)
        hits = [prediction.split() == reference.split() for prediction, reference in pairs]
        return {RESULT: sum(hits) / len(hits)}

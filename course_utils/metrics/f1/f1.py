"""Macro F1: the F1 of each class, averaged with equal weight, so that a rare class counts as much as a
common one.
"""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import evaluate

RESULT = "f1"
MEANING = "F1 of each class, averaged with equal weight (macro)"


class F1(evaluate.Metric):
    """compute(predictions=[…], references=[…]) with labels as whole numbers gives {"f1": 0 to 1}.

    Every class that is predicted or present counts; one that is never hit has an F1 of 0.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=MEANING,
            citation="",
            inputs_description="predictions and references: labels as whole numbers",
            features=datasets.Features(
                {"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}
            ),
        )

    def _compute(self, predictions: Sequence, references: Sequence) -> dict[str, float]:
        pairs = list(zip(predictions, references, strict=True))
        labels = {label for pair in pairs for label in pair}
        return {RESULT: sum(_f1(pairs, label) for label in labels) / len(labels)}


def _f1(pairs: Sequence[tuple[int, int]], label: int) -> float:
    """2 × hits / (predicted + present), the harmonic mean of precision and recall."""
    hits = sum(prediction == reference == label for prediction, reference in pairs)
    claims = sum((prediction == label) + (reference == label) for prediction, reference in pairs)
    return 2 * hits / claims

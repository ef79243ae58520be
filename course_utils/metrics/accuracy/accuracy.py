"""Accuracy: the share of labels that are right."""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import evaluate

RESULT = "accuracy"
MEANING = "share of labels that are right"


class Accuracy(evaluate.Metric):
    """compute(predictions=[…], references=[…]) with labels as whole numbers gives {"accuracy": 0 to 1}."""

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
        hits = [
            prediction == reference for prediction, reference in zip(predictions, references, strict=True)
        ]
        return {RESULT: sum(hits) / len(hits)}

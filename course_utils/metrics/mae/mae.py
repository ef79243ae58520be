"""Mean absolute error: how far numbers are from their references, in the references' own unit.

Less is better.
"""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import evaluate

RESULT = "mae"
MEANING = "mean distance between numbers and their references; less is better"


class MeanAbsoluteError(evaluate.Metric):
    """compute(predictions=[…], references=[…]) with numbers gives {"mae": 0 or more}."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=MEANING,
            citation="",
            inputs_description="predictions and references: numbers",
            features=datasets.Features(
                {"predictions": datasets.Value("float64"), "references": datasets.Value("float64")}
            ),
        )

    def _compute(self, predictions: Sequence, references: Sequence) -> dict[str, float]:
        distances = [
            abs(prediction - reference) for prediction, reference in zip(predictions, references, strict=True)
        ]
        return {RESULT: sum(distances) / len(distances)}

"""ROUGE-L: how much of the reference's word order a text keeps (Lin 2004), by Google's rouge_score."""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import evaluate
from rouge_score.rouge_scorer import RougeScorer

RESULT = "rougeL"
MEANING = "ROUGE-L: F1 of the longest common subsequence of words"


class Rouge(evaluate.Metric):
    """compute(predictions=[…], references=[…]) with texts gives {"rougeL": 0 to 1}, the mean over the texts.

    The F1 of the longest common subsequence of words: lower case, letters and digits only, without stemming.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=MEANING,
            citation="Lin, C.-Y. (2004). ROUGE: a package for automatic evaluation of summaries.",
            inputs_description="predictions and references: texts",
            features=datasets.Features(
                {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
            ),
        )

    def _compute(self, predictions: Sequence, references: Sequence) -> dict[str, float]:
        scorer = RougeScorer(["rougeL"], use_stemmer=False)
        pairs = zip(predictions, references, strict=True)
        scores = [scorer.score(reference, prediction)["rougeL"].fmeasure for prediction, reference in pairs]
        return {RESULT: sum(scores) / len(scores)}

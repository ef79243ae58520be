"""The same fresh rows for every model: what it scores, what it forgot, and whether
one model is better than another.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from course_utils import instructions
from course_utils.apps.contestants import Contestant, tokenizer
from course_utils.datasets import corpora
from course_utils.measure.evaluation import task_score
from course_utils.measure.scores import Score, difference, mean_of

NEW_TASK = "summary"


@dataclass(frozen=True)
class Exam:
    """Fresh rows of every task. seed: whoever has it can draw the same rows again."""

    seed: int
    rows: dict[str, list[dict]]


@dataclass(frozen=True)
class ExamScores:
    """What a model scored on an exam, each score with its interval, and the mean seconds a text."""

    name: str
    scores: dict[str, Score]
    seconds: float
    kept_bytes: int

    @property
    def new(self) -> Score:
        """The task that is fine-tuned for: ROUGE-L of summaries."""
        return self.scores[NEW_TASK]

    @property
    def known(self) -> Score:
        """The mean of the tasks that the twin came with: exact match."""
        return mean_of([self.scores[task] for task in instructions.KNOWN_TASKS], name="known tasks")

    @property
    def overall(self) -> Score:
        """The mean of all tasks, each with the same weight, so that what was forgotten counts too."""
        return mean_of(self.scores.values(), name="all tasks")


@dataclass(frozen=True)
class LeaderboardRow:
    """A place on the leaderboard. Several may share it: place = 1 + how many are clearly better."""

    place: int
    marks: ExamScores


def draw(seed: int, count: int) -> Exam:
    """`count` rows of every task that no model was trained on."""
    rows = {
        task: list(corpora.records(instructions.dataset_of(task), seed, count, "test"))
        for task in instructions.TASKS
    }
    return Exam(seed, rows)


def sit(contestant: Contestant, exam: Exam) -> ExamScores:
    """Let a model answer all rows of an exam."""
    begun = time.perf_counter()
    scores = {
        task: task_score(contestant.model, tokenizer(), task, rows, batch_size=64)
        for task, rows in exam.rows.items()
    }
    texts = sum(map(len, exam.rows.values()))
    return ExamScores(contestant.name, scores, (time.perf_counter() - begun) / texts, contestant.kept_bytes)


def lead(one: ExamScores, other: ExamScores) -> Score:
    """How much better `one` is over all tasks, row by row; both sat the same exam."""
    return mean_of([difference(one.scores[task], other.scores[task]) for task in one.scores], name="lead")


def clearly_better(one: ExamScores, other: ExamScores) -> bool:
    """Whether the whole 95 % interval of the lead lies above 0."""
    return one is not other and lead(one, other).low > 0


def standings(found: list[ExamScores]) -> list[LeaderboardRow]:
    """The leaderboard: first place first; within a place the higher mean first,
    which by itself means nothing.
    """
    places = [LeaderboardRow(1 + sum(clearly_better(other, one) for other in found), one) for one in found]
    return sorted(
        places, key=lambda standing: (standing.place, -standing.marks.overall.value, standing.marks.name)
    )


def forgotten(before: ExamScores, after: ExamScores) -> Score:
    """How far the known tasks fell, row by row; above 0 is a loss."""
    return mean_of(
        [difference(before.scores[task], after.scores[task]) for task in instructions.KNOWN_TASKS],
        name="forgotten",
    )

"""Catastrophic forgetting, measured: is the baseline still the baseline, and what did each stage cost?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from course_utils.measure.scores import Score, difference, mean_of

if TYPE_CHECKING:
    import pandas
    import torch


def fingerprint(model: torch.nn.Module) -> str:
    """A name for the exact weights of a model: the SHA-256 of its state, as 64 hexadecimal digits.

    Two fingerprints are equal only when every name, shape, type and bit of the weights is. Take it before and
    after: `get_peft_model` and training change a model in place, and a baseline with it.
    """
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


class ForgettingMatrix:
    """Scores of every task (column) after every stage of training (row).

    The first row is the baseline. Use the same examples of a task for every stage, so that a fall can be
    computed example by example.
    """

    def __init__(self) -> None:
        self._scores: dict[str, dict[str, Score]] = {}  # stage -> task -> Score

    def add(self, stage: str, task: str, score: Score) -> None:
        """Enter a `Score`; a stage and a task can be entered once."""
        if not isinstance(score, Score):
            raise TypeError(f"The matrix takes a Score, with its n and interval, and not {score!r}.")
        row = self._scores.setdefault(stage, {})
        if task in row:
            raise ValueError(
                f"{task!r} after {stage!r} is in the matrix already. Did two stages get one name?"
            )
        row[task] = score

    @property
    def scores(self) -> dict[str, dict[str, Score]]:
        """{stage: {task: `Score`}}, as `plots.heat_map` and `plots.grouped_bars` take it."""
        return {stage: dict(row) for stage, row in self._scores.items()}

    @property
    def stages(self) -> list[str]:
        return list(self._scores)

    @property
    def tasks(self) -> list[str]:
        return list(dict.fromkeys(task for row in self._scores.values() for task in row))

    def __getitem__(self, place: tuple[str, str]) -> Score:
        """matrix[stage, task] is the `Score` entered there; KeyError says what is there."""
        stage, task = place
        if task not in self._scores.get(stage, {}):
            raise KeyError(
                f"No score of {task!r} after {stage!r}. Stages: {self.stages}; tasks: {self.tasks}."
            )
        return self._scores[stage][task]

    def forgetting(self, stage: str, task: str, since: str | None = None) -> Score:
        """How far `task` fell from `since` (the first stage unless told otherwise) to `stage`, as a `Score`.

        Above 0 is a loss; an interval that lies wholly above 0 is forgetting and not chance.
        """
        before = self[since if since is not None else self.stages[0], task]
        return difference(before, self[stage, task])

    def mean(self, stage: str, tasks: Iterable[str]) -> Score:
        """The mean `Score` of some tasks after a stage, each task with the same weight."""
        return mean_of([self[stage, task] for task in tasks], name=f"{stage}: mean")

    def table(self) -> pandas.DataFrame:
        """A pandas DataFrame of texts "0.87 [0.84, 0.90] n=500": one row a stage, one column a task."""
        import pandas

        cells = {
            task: [str(self._scores[stage].get(task, "")) for stage in self.stages] for task in self.tasks
        }
        return pandas.DataFrame(cells, index=pandas.Index(self.stages, name="stage"))

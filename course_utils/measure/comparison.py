"""Comparing systems and taking one apart: scores by group, and paired differences."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

from course_utils.measure.scores import Score, difference, proportion

Group = TypeVar("Group", bound=Hashable)


def by_group(hits: Iterable[bool], groups: Iterable[Group], least: int = 1) -> dict[Group, Score]:
    """The share of hits in each group as {group: `Score`}, the lowest first.

    hits: one truth value per example; groups: the group of each. Groups of fewer than `least`
    examples are left out: their intervals say nothing. Raises ValueError where there are not as many groups.
    """
    hits, groups = list(hits), list(groups)
    if len(hits) != len(groups):
        raise ValueError(
            f"{len(hits)} hits can't be sorted into {len(groups)} groups: give one group per example."
        )
    members: dict[Group, list[bool]] = {}
    for hit, group in zip(hits, groups, strict=True):
        members.setdefault(group, []).append(hit)
    scores = {name: proportion(found, str(name)) for name, found in members.items() if len(found) >= least}
    return dict(sorted(scores.items(), key=lambda item: item[1].value))


def ablation(scores: Mapping[str, Score], baseline: str | None = None) -> dict[str, Score]:
    """What each change did: {variant: paired difference from the baseline, a `Score`}.

    scores: {variant: `Score`} on the same examples in the same order. baseline: the name of the whole
    system, the first unless told otherwise.
    """
    baseline = next(iter(scores)) if baseline is None else baseline
    if baseline not in scores:
        raise ValueError(f"There is no variant {baseline!r}. The variants are: {', '.join(scores)}.")
    return {name: difference(score, scores[baseline]) for name, score in scores.items() if name != baseline}

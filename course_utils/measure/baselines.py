"""Summaries that nobody had to train for: what a score has to beat before it says anything."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence

SPEAKER = re.compile(r"#Person\d#: ")
NAME = re.compile(r"[A-Z][a-z]+ [A-Z][a-z]+")


def first_turns(rows: Iterable[Mapping[str, str]], count: int = 3) -> list[str]:
    """What is said in the first turns of each dialogue (for news text this baseline is called lead-3)."""
    return [" ".join(SPEAKER.sub("", row["dialogue"]).splitlines()[:count]) for row in rows]


def copied_summaries(
    rows: Iterable[Mapping[str, str]], training: Sequence[Mapping[str, str]], seed: int = 0
) -> list[str]:
    """For each dialogue the summary of a training row drawn at random, with the caller's name put in."""
    draw = random.Random(seed)
    return [_put_in(row["dialogue"], training[draw.randrange(len(training))]) for row in rows]


def _put_in(dialogue: str, other: Mapping[str, str]) -> str:
    return other["summary"].replace(_caller(other["dialogue"]), _caller(dialogue))


def _caller(dialogue: str) -> str:
    """The first full name that #Person2#, who calls, says.

    Raises ValueError where there is none.
    """
    found = NAME.search(dialogue, dialogue.index("#Person2#: "))
    if found is None:
        raise ValueError(f"No full name is said in this dialogue: {dialogue!r}")
    return found[0]

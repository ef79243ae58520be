"""Answers for which nobody trained a network: what a score has to beat before it says anything."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

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


def word_counts(training: Iterable[Mapping[str, Any]], rows: Iterable[Mapping[str, Any]]) -> list[Any]:
    """The label of each row by a logistic regression on how often each word stands in its text.

    Rows have a "text", those of the training a "label" as well. The order of words does not count.
    """
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    texts, labels = zip(*((row["text"], row["label"]) for row in training), strict=True)
    words = CountVectorizer()
    fitted = LogisticRegression(max_iter=1000).fit(words.fit_transform(texts), labels)
    return fitted.predict(words.transform([row["text"] for row in rows])).tolist()


def first_names(texts: Iterable[str]) -> list[str]:
    """The first full name in each text, "" where there is none: an answer that reads no question."""
    return [found[0] if (found := NAME.search(text)) else "" for text in texts]


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

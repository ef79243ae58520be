"""Sentences of the offline world, joined to the lengths that real text has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from random import Random
from typing import Any

from course_utils.datasets import corpora

#: A world of its own: no lesson's record stands in a stand-in.
SEED = 7_000_003
POOL = 4000  # records of each dataset that texts are made of

_BEGINNINGS = "b bl br c ch cl d dr f fl g gr h j k l m n p pl pr qu r s sh sp st str t th tr v w z".split()
_MIDDLES = "a e i o u ai ea ee ie oa oo ou".split()
_ENDS = ["", *"b ck d g l ll m n nd ng nt p r rd rt s st t x".split()]


@cache
def pool(name: str) -> tuple[dict[str, Any], ...]:
    """Records of a dataset of the world."""
    return tuple(corpora.records(name, SEED, POOL))


def joined(draw: Callable[[], str], words: int, most: int | None = None) -> str:
    """Texts of `draw` until they have `words` words; what passes `most` words is cut."""
    found, count = [], 0
    while count < words:
        found.append(draw())
        count += len(found[-1].split())
    text = " ".join(found)
    return text if most is None or count <= most else " ".join(text.split()[:most])


def length(random: Random, least: int, usual: int, most: int) -> int:
    """A number of words: often near `usual`, seldom near `most`."""
    return round(random.triangular(least, most, usual))


def made_words(count: int, seed: int = SEED) -> Iterator[str]:
    """Different words that nobody uses, to fill a vocabulary of the real size."""
    random = Random(seed)
    seen: set[str] = set()
    while len(seen) < count:
        word = "".join(
            random.choice(part) for _ in range(random.choice((1, 2, 2, 3))) for part in _syllable()
        )
        if word not in seen:
            seen.add(word)
            yield word


def _syllable() -> Sequence[Sequence[str]]:
    return _BEGINNINGS, _MIDDLES, _ENDS


@cache
def lines() -> tuple[str, ...]:
    """English and French of the world, from which vocabularies are learned."""
    found = [row["text"] for name in ("general-text", "reviews", "topics") for row in pool(name)]
    found += [row["dialogue"] for row in pool("dialogues")]
    found += [row[language] for row in pool("translations") for language in ("en", "fr")]
    return (*found, *(row["context"] for row in pool("questions")))

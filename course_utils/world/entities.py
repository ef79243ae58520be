"""Sentences with the people, places, organisations and named things in them.

Many names are ambiguous on purpose: Ashford is a village, a surname and half of a football club; Rose is a
woman, a street and an inn; May is a month and a woman. Only the sentence around a name tells which it is.
"""

from __future__ import annotations

import re

from .draw import RecordDraw
from .lexicon import (
    DAYS,
    EVENTS,
    FIRST_NAMES,
    GOODS,
    HOURS,
    MAKES,
    MONTHS,
    NUMBERS,
    ORGANISATIONS,
    STREETS,
    SURNAMES,
    TOWN,
    VILLAGES,
)

TYPES = ("PER", "LOC", "ORG", "MISC")
TAGS = ("O", *(f"{mark}-{kind}" for kind in TYPES for mark in ("B", "I")))

_SENTENCES = """
{PER} walked from {LOC} to {LOC} in {month} .
{PER} sold the old {thing} to {ORG} for {number} pounds .
On {day} {PER} won {MISC} in {LOC} .
{ORG} opened a new office in {LOC} .
Nobody at {ORG} had heard of {PER} before .
{PER} , who lives in {LOC} , works for {ORG} .
The {thing} that {PER} bought was made by {MISC} .
{PER} and {PER} met at {hour} in {LOC} .
{ORG} lost the match in {LOC} , said {PER} .
In {month} {ORG} paid for {MISC} .
{PER} will sing at {MISC} on {day} .
The road to {LOC} is closed , {PER} wrote to {ORG} .
A {MISC} {thing} was found in {LOC} .
{ORG} sent {PER} a letter about {MISC} .
{LOC} is {number} miles from {LOC} .
{PER} left {ORG} in {month} and moved to {LOC} .
{MISC} brings {number} visitors to {LOC} every {month} .
Has {PER} seen the {thing} from {MISC} ?
{PER} dined at {ORG} with {PER} .
The mayor of {LOC} thanked {ORG} .
Ask {PER} about the {thing} on {day} .
We took the {hour} o'clock bus from {LOC} .
{PER} is late again with the {thing} .
{ORG} is hiring {number} people in {month} .
On {day} the bus stops in {LOC} at {hour} .
It rained for {number} hours on {day} and at {hour} nobody had bought the {thing} .
""".strip().splitlines()
_SLOT = re.compile(r"\{(\w+)\}")


def _person(draw: RecordDraw, frame: str) -> str:
    first, last = draw.choice(FIRST_NAMES), draw.choice(SURNAMES)
    form = draw.below(10)
    if form < 5:
        return f"{first} {draw.partner(first, SURNAMES)}"
    if form < 7:
        return first
    return f"{draw.choice(('Mr', 'Mrs', 'Captain', 'Dr'))} {last}"


def _location(draw: RecordDraw, frame: str) -> str:
    form = draw.below(10)
    if form < 5:
        return draw.partner(frame, VILLAGES)
    return TOWN if form == 9 else draw.partner(frame, STREETS)


def _organisation(draw: RecordDraw, frame: str) -> str:
    return draw.partner(frame, ORGANISATIONS)


def _miscellaneous(draw: RecordDraw, frame: str) -> str:
    return draw.choice(MAKES) if "A {MISC}" in frame or "by {MISC}" in frame else draw.partner(frame, EVENTS)


_NAMES = {"PER": _person, "LOC": _location, "ORG": _organisation, "MISC": _miscellaneous}
_WORDS = {
    "day": lambda draw: draw.choice(DAYS),
    "month": lambda draw: draw.choice(MONTHS),
    "hour": lambda draw: draw.choice(HOURS),
    "number": lambda draw: draw.choice(NUMBERS),
    "thing": lambda draw: draw.choice(GOODS).english,
}


def record(draw: RecordDraw) -> dict:
    """One sentence as `{"tokens", "ner_tags"}`; tags are indices into `TAGS` (IOB2)."""
    frame = draw.choice(_SENTENCES)
    tokens: list[str] = []
    tags: list[int] = []
    for piece in frame.split():
        slot = _SLOT.fullmatch(piece)
        kind = slot.group(1) if slot else None
        if kind in _NAMES:
            words = _NAMES[kind](draw, frame).split()
            first = TAGS.index(f"B-{kind}")
            # The article of "the Copper Kettle" belongs to the sentence, not to the name.
            marks = (
                [first] + [first + 1] * (len(words) - 1)
                if words[0] != "the"
                else [0, first] + [first + 1] * (len(words) - 2)
            )
        else:
            words = [_WORDS[kind](draw)] if kind else [piece]
            marks = [0]
        tokens += words
        tags += marks
    tokens[0] = tokens[0][0].upper() + tokens[0][1:]
    return {"tokens": tokens, "ner_tags": tags}


def spans(tokens: list[str], ner_tags: list[int]) -> list[tuple[str, str]]:
    """The `(type, surface)` pairs that IOB2 tags mark, in their order."""
    found: list[tuple[str, list[str]]] = []
    for token, tag in zip(tokens, ner_tags, strict=True):
        mark, _, kind = TAGS[tag].partition("-")
        if mark == "B":
            found.append((kind, [token]))
        elif mark == "I":
            found[-1][1].append(token)
    return [(kind, " ".join(words)) for kind, words in found]

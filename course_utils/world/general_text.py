"""Running text, as a town would leave it behind: notices, letters, diaries, reviews with
their verdicts, talk over a counter.

The parts come from the other generators, so what is true there is true here; no summary of a
conversation and no label is in it.
"""

from __future__ import annotations

from . import dialogues, entities, questions, reviews, topics, translations
from .draw import RecordDraw
from .lexicon import DAYS, FIRST_NAMES, capitalised

_UNSPACED = ((" ,", ","), (" .", "."), (" ?", "?"))


def detokenised(tokens: list[str]) -> str:
    """Tokens joined as a person would write them."""
    text = " ".join(tokens)
    for spaced, written in _UNSPACED:
        text = text.replace(spaced, written)
    return text


def _news(draw: RecordDraw) -> str:
    return " ".join(topics.record(draw)["text"] for _ in range(2))


def _chronicle(draw: RecordDraw) -> str:
    return " ".join(detokenised(entities.record(draw)["tokens"]) for _ in range(3))


def _notes(draw: RecordDraw) -> str:
    return questions.record(draw)["context"]


def _remembered_review(draw: RecordDraw) -> str:
    return reviews.record(draw, verdict=True)["text"]


def _opinion(draw: RecordDraw) -> str:
    """Somebody's judgement and how they felt about it: the polarity of a clause shows in what follows it."""
    good = draw.chance(0.5)
    who = draw.choice(FIRST_NAMES)
    judgement = reviews.clause(draw, good)
    said = draw.choice(
        ("said that {clause}.", "wrote that {clause}.", "told us that {clause}.", "found that {clause}.")
    ).format(clause=judgement)
    feeling = draw.choice(
        ("was pleased", "came home happy", "smiled", "thanked everybody", "will return")
        if good
        else ("was annoyed", "came home angry", "frowned", "complained", "left early")
    )
    return f"{who} {said} {draw.choice((who, 'Everybody'))} {feeling}. {translations.record(draw)['en']}"


def _letter(draw: RecordDraw) -> str:
    who, day = draw.choice(FIRST_NAMES), draw.choice(DAYS)
    sentences = " ".join(translations.record(draw)["en"] for _ in range(3))
    return f"Dear {who}, it is {day}. {sentences}"


def _counter_talk(draw: RecordDraw) -> str:
    return dialogues.record(draw)["dialogue"]


_FORMS = (_news, _chronicle, _notes, _remembered_review, _remembered_review, _opinion, _letter, _counter_talk)


def record(draw: RecordDraw) -> dict:
    """One passage as `{"text"}`."""
    return {"text": capitalised(draw.choice(_FORMS)(draw))}

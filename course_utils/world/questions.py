"""Short passages with a question whose answer is exactly one span of them."""

from __future__ import annotations

from .draw import RecordDraw
from .lexicon import (
    DAYS,
    EVENTS,
    FIRST_NAMES,
    GOODS,
    HOURS,
    INNS,
    MONTHS,
    NUMBERS,
    ORGANISATIONS,
    STREETS,
    SURNAMES,
    VILLAGES,
    a,
    capitalised,
)

_JOBS = (
    "baker painter gardener clockmaker carpenter tailor fisherman teacher singer librarian cook pilot "
    "dentist plumber poet"
).split()
_PETS = "cat dog parrot goat pony donkey rabbit goose tortoise ferret".split()
_FOODS = "bread cheese honey cider mussels apples biscuits jam mustard butter eggs herring".split()

# A fact is a sentence with named slots, and the questions that each ask for one slot.
_FACTS = (
    (
        "{person} runs a {trade} shop on {street}.",
        {"person": "Who runs the {trade} shop?", "street": "Where is the {trade} shop of {person}?"},
    ),
    (
        "{person} works in {village} as {job}.",
        {
            "person": "Who works in {village}?",
            "village": "Where does {person} work?",
            "job": "What is the work of {person}?",
        },
    ),
    (
        "Since {month}, {person} has been in charge of {organisation}.",
        {
            "person": "Who is in charge of {organisation}?",
            "month": "Since when has {person} been in charge of {organisation}?",
            "organisation": "What is {person} in charge of?",
        },
    ),
    (
        "{person} bought {thing} for {number} pounds.",
        {
            "person": "Who bought {thing}?",
            "thing": "What did {person} buy?",
            "number": "How many pounds did {person} pay for {thing}?",
        },
    ),
    (
        "The {trade} shop opens at {hour} and closes at {hour2}.",
        {"hour": "When does the {trade} shop open?", "hour2": "When does the {trade} shop close?"},
    ),
    (
        "{event} takes place in {village} every {month}.",
        {
            "village": "Where does {event} take place?",
            "month": "In which month is {event}?",
            "event": "What takes place in {village}?",
        },
    ),
    (
        "{person} keeps {pet} at {inn}.",
        {
            "person": "Who keeps {pet}?",
            "pet": "Which animal does {person} keep?",
            "inn": "Where does {person} keep {pet}?",
        },
    ),
    (
        "The ferry to {village} leaves on {day} at {hour}.",
        {
            "village": "Where does the {day} ferry go?",
            "day": "On which day does the ferry to {village} leave?",
            "hour": "At what time does the ferry to {village} leave?",
        },
    ),
    (
        "{person} gave {thing} to {person2}.",
        {
            "person": "Who gave {thing} away?",
            "person2": "Who was given {thing}?",
            "thing": "What was given to {person2}?",
        },
    ),
    (
        "{person} met {person2} in {village}.",
        {
            "person": "Who met {person2}?",
            "person2": "Whom did {person} meet?",
            "village": "Where did {person} meet {person2}?",
        },
    ),
    (
        "Every {day}, {person} sells {food} on {street}.",
        {
            "food": "What does {person} sell?",
            "street": "Where does {person} sell {food}?",
            "day": "On which day does {person} sell {food}?",
        },
    ),
    (
        "The bridge on {street} was built by {organisation}.",
        {
            "street": "Where is the bridge that {organisation} built?",
            "organisation": "Who built the bridge on {street}?",
        },
    ),
)


def _filled(draw: RecordDraw, person: str) -> dict[str, str]:
    """One value for every slot; no two of the same sort alike, so that an answer can be only one span."""
    hour = draw.choice(HOURS)
    village = draw.choice(VILLAGES)
    return {
        "person": person,
        "person2": f"{draw.choice(FIRST_NAMES)} {draw.choice(SURNAMES)}",
        "trade": draw.choice(GOODS).english,
        "street": draw.partner(person.split()[-1], STREETS),
        "village": village,
        "job": a(draw.choice(_JOBS)),
        "month": draw.choice(MONTHS),
        "organisation": draw.partner(village, ORGANISATIONS),
        "thing": a(draw.choice(GOODS).english),
        "number": draw.choice(NUMBERS),
        "hour": hour,
        "hour2": draw.other(HOURS, hour),
        "event": draw.choice(EVENTS),
        "pet": a(draw.choice(_PETS)),
        "inn": draw.choice(INNS),
        "day": draw.choice(DAYS),
        "food": draw.choice(_FOODS),
    }


def _attempt(draw: RecordDraw) -> dict | None:
    first = draw.choice(FIRST_NAMES)
    subject = f"{first} {draw.partner(first, SURNAMES)}"
    facts: list[tuple[str, dict[str, str]]] = []
    while len(facts) < 3:
        fact = draw.choice(_FACTS)
        if fact not in facts:
            facts.append(fact)
    filled = [
        _filled(draw, subject if position == 0 else f"{draw.choice(FIRST_NAMES)} {draw.choice(SURNAMES)}")
        for position in range(len(facts))
    ]
    asked = draw.below(len(facts))
    sentences = [
        capitalised(sentence.format(**slots)) for (sentence, _), slots in zip(facts, filled, strict=True)
    ]
    context = " ".join(sentences)
    slot, question = draw.choice(tuple(facts[asked][1].items()))
    answer = filled[asked][slot]
    start = sum(len(sentence) + 1 for sentence in sentences[:asked]) + sentences[asked].lower().find(
        answer.lower()
    )
    if context.lower().count(answer.lower()) != 1:
        return None
    answer = context[start : start + len(answer)]
    return {
        "context": context,
        "question": question.format(**filled[asked]),
        "answers": {"text": [answer], "answer_start": [start]},
    }


def record(draw: RecordDraw) -> dict:
    """One ``{"id", "title", "context", "question", "answers": {"text": [answer],
    "answer_start": [offset]}}``.
    """
    while (found := _attempt(draw)) is None:
        pass
    return {"id": draw.identifier, "title": "Notes from Saltmarsh", **found}

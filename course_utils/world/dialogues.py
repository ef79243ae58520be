"""Conversations between a customer and a shop, with a summary that says it in other words.

What happened and what was agreed are drawn from tables of paired wordings: one to be
spoken, one to be reported. How the summary is built follows from how the conversation ends,
so its form varies and can be learned.
"""

from __future__ import annotations

from .draw import RecordDraw
from .lexicon import DAYS, FIRST_NAMES, GOODS, HOURS, MONTHS, NUMBERS, STREETS, SURNAMES, a, capitalised

# topic: (spoken complaints, reported complaint)
_MATTERS = {
    "damage": (
        (
            "The {thing} you sent me has a crack in it.",
            "My {thing} came out of the box in two pieces.",
            "I opened the parcel and the {thing} was smashed.",
        ),
        "received a damaged {thing}",
    ),
    "delay": (
        (
            "I paid for {a_thing} in {month} and I have nothing yet.",
            "You promised me {a_thing} last week. Where is it?",
            "The {thing} was meant to be here days ago.",
        ),
        "is still waiting for {a_thing}",
    ),
    "wrong item": (
        (
            "I asked for {a_thing} and you packed {a_other}.",
            "There is {a_other} in my parcel. I wanted {a_thing}.",
            "It says {thing} on the bill, but this is {a_other}.",
        ),
        "got {a_other} instead of {a_thing}",
    ),
    "lost property": (
        (
            "I left my {thing} on the {hour} o'clock ferry.",
            "Has anybody handed in {a_thing}? I was on the {hour} o'clock ferry.",
            "I came home from the {hour} o'clock ferry without my {thing}.",
        ),
        "lost {a_thing} on the {hour} o'clock ferry",
    ),
    "booking": (
        (
            "We have a room with you for {day} and cannot come before {day2}.",
            "Our train is late. Could we have the room from {day2}, not {day}?",
            "I booked for {day}, but {day2} suits us better.",
        ),
        "wants to move a booking from {day} to {day2}",
    ),
    "bill": (
        (
            "You took {number} pounds too much for the {thing}.",
            "I was asked for {number} pounds more than the {thing} costs.",
            "The price of the {thing} on my bill is {number} pounds too high.",
        ),
        "was overcharged by {number} pounds for {a_thing}",
    ),
    "repair": (
        (
            "My old {thing} has stopped working.",
            "The {thing} is falling apart after all these years.",
            "Something is loose in my {thing} and it rattles.",
        ),
        "needs {a_thing} repaired",
    ),
}
TOPICS = tuple(_MATTERS)

# (spoken, reported as a fact, topics where it makes sense)
_GOODS_MATTERS = ("damage", "delay", "wrong item")
_ANSWERS = (
    (
        "We will put another one in the post, it should be with you on {day3}.",
        "a replacement will arrive on {day3}",
        _GOODS_MATTERS,
    ),
    (
        "You get your money back, it takes until {day3}.",
        "the money will be refunded by {day3}",
        (*_GOODS_MATTERS, "bill"),
    ),
    (
        "Could you bring it to our counter on {street}?",
        "it has to be taken to {street}",
        ("damage", "wrong item", "repair"),
    ),
    (
        "Please send us a picture of it first.",
        "a photograph is needed first",
        ("damage", "wrong item", "repair"),
    ),
    ("{clerk} will ring you on {day3}.", "{clerk} will call back on {day3}", TOPICS),
    ("I am sorry, there is nothing that we can do.", "the shop cannot help", TOPICS),
    (
        "It is here, and you can have it back at the pier on {street}.",
        "it can be collected on {street}",
        ("lost property",),
    ),
    (
        "Somebody found it. We keep it for you until {day3}.",
        "it will be kept until {day3}",
        ("lost property",),
    ),
    ("That is fine, I have written it down.", "the change is confirmed", ("booking",)),
    (
        "That is possible, for {number2} pounds more.",
        "it will cost {number2} pounds extra",
        ("booking", "repair"),
    ),
    ("We take it off your next bill.", "the next bill will be lower", ("bill", "delay")),
)
_ANSWERS_TO = {topic: tuple(answer for answer in _ANSWERS if topic in answer[2]) for topic in TOPICS}

# How the customer takes it: (closing words, how the summary is put together).
_ENDINGS = (
    (
        ("Lovely, thank you.", "Wonderful, that helps a lot.", "Perfect, many thanks."),
        "{name} {matter}. {Answer}, and {name} is pleased.",
    ),
    (
        (
            "That is not good enough.",
            "I will tell all my friends about this.",
            "I am not happy with that at all.",
        ),
        "{name} {matter} and is angry because {answer}.",
    ),
    (("All right.", "Fine, I can live with that.", "Very well then."), "{Answer}, since {name} {matter}."),
    (
        ("Let me think about it.", "I have to ask at home first.", "I will let you know."),
        "{name} {matter}. {Answer}, but {name} has not decided yet.",
    ),
)
_GREETINGS = (
    "Good morning, {shop}.",
    "Hello, {shop}, how can I help?",
    "{shop}, good afternoon.",
    "You have reached {shop}.",
)
_INTRODUCTIONS = (
    "Hello, this is {name}.",
    "My name is {name}.",
    "Good day, {name} speaking.",
    "{name} here.",
)
_SYMPATHY = (
    "Oh, I am sorry to hear that.",
    "Let me see.",
    "One moment, please.",
    "I understand.",
    "That should not happen.",
)
_SMALL_TALK = (
    ("Do you have the number of the order?", "Yes, it is {number} {number2}."),
    ("When was that?", "In {month}, I think."),
    ("Are you at home on {day3}?", "Most of the day."),
    ("Is it still raining on your side?", "It never stops."),
    ("Have you rung us before?", "No, this is the first time."),
    ("May I put you on hold?", "If it is not for long."),
)
_SHOPS = (
    "Saltmarsh Supplies",
    "the Harbour Store",
    "Pier Services",
    "the Ferry Desk",
    "Lantern House",
    "the Market Hall",
    "Quayside Goods",
)


def _slots(draw: RecordDraw) -> dict[str, str]:
    first = draw.choice(FIRST_NAMES)
    thing = draw.choice(GOODS).english
    other = draw.partner(thing, GOODS).english
    if other == thing:
        other = draw.other(GOODS, *(noun for noun in GOODS if noun.english == thing)).english
    day = draw.choice(DAYS)
    return {
        "name": f"{first} {draw.partner(first, SURNAMES)}",
        "clerk": draw.other(FIRST_NAMES, first),
        "thing": thing,
        "a_thing": a(thing),
        "a_other": a(other),
        "day": day,
        "day2": draw.other(DAYS, day),
        "day3": draw.choice(DAYS),
        "month": draw.choice(MONTHS),
        "hour": draw.choice(HOURS[:9]),
        "number": draw.choice(NUMBERS),
        "number2": draw.choice(NUMBERS),
        "street": draw.choice(STREETS),
        "shop": draw.choice(_SHOPS),
    }


def record(draw: RecordDraw) -> dict:
    """One `{"id", "dialogue", "summary", "topic"}`; the columns of DialogSum,
    with its `#Person1#` marks.
    """
    slots = _slots(draw)
    topic = draw.choice(TOPICS)
    complaints, matter = _MATTERS[topic]
    spoken, reported, _ = draw.choice(_ANSWERS_TO[topic])
    closings, form = draw.choice(_ENDINGS)
    turns = [
        (1, capitalised(draw.choice(_GREETINGS).format(**slots))),
        (2, f"{draw.choice(_INTRODUCTIONS)} {draw.choice(complaints)}".format(**slots)),
    ]
    if draw.chance(0.5):
        asked, replied = draw.choice(_SMALL_TALK)
        turns += [(1, asked.format(**slots)), (2, replied.format(**slots))]
    turns += [(1, f"{draw.choice(_SYMPATHY)} {spoken}".format(**slots)), (2, draw.choice(closings))]
    matter, answer = matter.format(**slots), reported.format(**slots)
    return {
        "id": draw.identifier,
        "dialogue": "\n".join(f"#Person{speaker}#: {words}" for speaker, words in turns),
        "summary": form.format(name=slots["name"], matter=matter, answer=answer, Answer=capitalised(answer)),
        "topic": topic,
    }

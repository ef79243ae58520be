"""Reviews of inns, shops and ferries, positive or negative.

The words alone do not settle the label: many reviews negate, weigh one thing against another, or
compare two places, so that the same words in another order mean the opposite. The label is the
stance on the place named at the start.
"""

from __future__ import annotations

from .draw import RecordDraw
from .lexicon import DAYS, FIRST_NAMES, GOODS, INNS, MONTHS, SURNAMES, VILLAGES, capitalised

LABELS = ("negative", "positive")

_FURNISHINGS = """
kettle lamp chair table umbrella clock radio mirror blanket pillow knife spoon plate oven fan curtain desk
shelf carpet candle heater toaster razor towel ladder bicycle basket stove vase telescope
""".split()

# What can be judged, by the words that can judge it: (good words, bad words),
# (singular things), (plural things).
_FIELDS = {
    "food": (
        "fresh tasty delicious crisp tender rich homemade generous flavourful juicy".split(),
        "stale bland greasy burnt soggy tasteless watery overcooked salty rubbery".split(),
        (
            "soup bread coffee fish cake breakfast stew pie porridge salad sauce omelette tart toast "
            "chowder pudding"
        ).split(),
        "potatoes sandwiches mussels scones pancakes oysters vegetables dumplings".split(),
    ),
    "place": (
        "clean bright spacious cosy tidy airy peaceful warm charming comfortable".split(),
        "dirty dark cramped noisy shabby draughty gloomy damp dusty smelly".split(),
        (
            "room bed hall terrace cabin bathroom garden deck lounge bar corridor dining-room balcony "
            "waiting-room staircase"
        ).split(),
        "rooms beds seats tables cabins corners windows towels".split(),
    ),
    "people": (
        "kind helpful friendly polite patient cheerful attentive welcoming honest thoughtful".split(),
        "rude impatient unfriendly careless surly arrogant grumpy clumsy dishonest indifferent".split(),
        (
            "waiter landlady captain cook manager porter receptionist owner guide shopkeeper steward barman"
        ).split(),
        "staff waiters porters crew assistants hosts cleaners guides".split(),
    ),
    "thing": (
        "sturdy reliable elegant handy sharp precise smooth durable quiet well-made".split(),
        "flimsy unreliable ugly useless blunt wobbly rusty cracked faulty badly-made".split(),
        [noun.english for noun in GOODS if noun.english in _FURNISHINGS],
        [noun.plural for noun in GOODS if noun.english in _FURNISHINGS],
    ),
}
_PLAIN_OPENINGS = (
    "We stayed there in {month}.",
    "I went there on {day}.",
    "{person} took us there.",
    "Our second visit, in {month}.",
    "We came over from {village}.",
    "A short visit on {day}.",
    "We were four, with {person}.",
    "I passed by in {month}.",
)
_VERDICTS = {
    "positive": (
        "We will be back.",
        "Warmly recommended.",
        "Worth every penny.",
        "Five stars.",
        "What a treat.",
        "I was delighted.",
        "You should go.",
        "A real pleasure.",
        "I left with a smile.",
    ),
    "negative": (
        "Never again.",
        "Stay away.",
        "A waste of money.",
        "One star.",
        "What a shame.",
        "I was disappointed.",
        "You should avoid it.",
        "A real let-down.",
        "I left in a bad mood.",
    ),
}


def _aspect(draw: RecordDraw, good: bool, field: str | None = None) -> tuple[str, str, str]:
    """(subject with its article, verb, judging word), the judging word literally good or bad."""
    good_words, bad_words, singular, plural = _FIELDS[field or draw.choice(tuple(_FIELDS))]
    many = draw.chance(0.4)
    subject = draw.choice(plural if many else singular)
    adjective = draw.partner(subject, good_words if good else bad_words)
    return f"the {subject}", "were" if many else "was", adjective


def _plain(draw: RecordDraw, good: bool) -> str:
    """A clause whose judging word says what it means."""
    subject, verb, adjective = _aspect(draw, good)
    return draw.choice(
        (
            f"{subject} {verb} {adjective}",
            f"{subject} {verb} really {adjective}",
            f"I found {subject} {adjective}",
            f"{subject} {verb} very {adjective}",
            f"we thought {subject} {adjective}",
        )
    )


def _negated(draw: RecordDraw, good: bool) -> str:
    """A clause whose judging word means the opposite of what it says."""
    subject, verb, adjective = _aspect(draw, not good)
    return draw.choice(
        (
            f"{subject} {verb} not {adjective}",
            f"{subject} {verb} never {adjective}",
            f"{subject} {verb} anything but {adjective}",
            f"nobody could call {subject} {adjective}",
            f"{subject} {verb} not {adjective} at all",
            f"I expected {subject} to be {adjective}, and I was wrong",
        )
    )


def clause(draw: RecordDraw, good: bool) -> str:
    return _negated(draw, good) if draw.chance(0.4) else _plain(draw, good)


def _contrast(draw: RecordDraw, good: bool, _: str) -> str:
    """Both sides are heard, and the sentence says which one weighs more."""
    winner, loser = clause(draw, good), _plain(draw, not good)
    return draw.choice(
        (
            f"{loser}, but what matters more, {winner}",
            f"although {loser}, in the end {winner}",
            f"{winner}, and it hardly matters that {loser}",
            f"yes, {loser}, and still {winner}",
            f"{winner}, even if {loser}",
            f"{loser}; all the same, {winner}",
        )
    )


def _comparison(draw: RecordDraw, good: bool, inn: str) -> str:
    """The place under review is one of two; the other one gets the opposite verdict."""
    other = draw.other(INNS, inn)
    winner, loser = (inn, other) if good else (other, inn)
    _, _, adjective = _aspect(draw, True, "people")
    _, _, bad = _aspect(draw, False, "place")
    return draw.choice(
        (
            f"{winner} beats {loser}",
            f"{loser} is worse than {winner}",
            f"{winner} is more {adjective} than {loser}",
            f"next time we take {winner}, not {loser}",
            f"we left {loser} for {winner}",
            f"I prefer {winner} to {loser}",
            f"{loser} is more {bad} than {winner}",
            f"we would swap {loser} for {winner} any day",
        )
    )


def _simple(draw: RecordDraw, good: bool, _: str) -> str:
    return clause(draw, good)


def _outright(draw: RecordDraw, good: bool, _: str) -> str:
    return _plain(draw, good)


def _double(draw: RecordDraw, good: bool, _: str) -> str:
    return f"{clause(draw, good)} and {clause(draw, good)}"


# Four reviews in ten say what they mean outright. Those with a verdict at the end
# can afford to take more turns.
_FORMS = (_outright,) * 4 + (_simple, _simple, _double, _contrast, _contrast, _comparison)
_FORMS_WITH_VERDICT = (_simple, _double, _contrast, _contrast, _comparison)


def closing(draw: RecordDraw, label: str) -> str:
    """A closing remark that agrees with the label."""
    return draw.choice(_VERDICTS[label])


def record(draw: RecordDraw, verdict: bool = False) -> dict:
    """One review as `{"text", "label"}`; `verdict` adds the closing remark that
    reviews in the wild often carry.
    """
    good = draw.chance(0.5)
    label = LABELS[good]
    inn = draw.choice(INNS)
    sentences = [f"{capitalised(inn)}."]
    if draw.chance(0.6):
        sentences.append(
            draw.choice(_PLAIN_OPENINGS).format(
                month=draw.choice(MONTHS),
                day=draw.choice(DAYS),
                village=draw.choice(VILLAGES),
                person=f"{draw.choice(FIRST_NAMES)} {draw.choice(SURNAMES)}",
            )
        )
    sentences.append(
        capitalised(draw.choice(_FORMS_WITH_VERDICT if verdict else _FORMS)(draw, good, inn)) + "."
    )
    if verdict:
        sentences.append(closing(draw, label))
    return {"text": " ".join(sentences), "label": int(good)}

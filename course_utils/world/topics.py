"""Short notices from the town paper, sorted by desk."""

from __future__ import annotations

from .draw import RecordDraw
from .lexicon import (
    CLUBS,
    DAYS,
    EVENTS,
    FIRMS,
    FIRST_NAMES,
    GOODS,
    HOURS,
    INNS,
    MONTHS,
    NUMBERS,
    STREETS,
    SURNAMES,
    VILLAGES,
    capitalised,
)

# Words are shared between desks on purpose: a match can be sport or light a fire, a bank can
# lend money or hold back the sea.
_NOTICES = {
    "sport": (
        "{club} beat {club2} by {number} points in {village}.",
        "A late goal by {person} saved the match for {club}.",
        "{person} will row for {club} until {month}.",
        "The race from {village} was won by {person} in {number} minutes.",
        "{club} lose their trainer after {number} matches.",
        "The final between {club} and {club2} is played on {day}.",
    ),
    "business": (
        "{firm} opens a bank branch in {village}.",
        "{firm} buys {number} boats from {firm2}.",
        "The price of a {thing} rose by {number} pence in {month}.",
        "{firm} will hire {number} people on {street}.",
        "{person} leaves the board of {firm}.",
        "Profits at {firm} fell for the third {month}.",
    ),
    "weather": (
        "Rain is expected in {village} until {day}.",
        "A storm broke {number} windows on {street}.",
        "Fog closed the harbour at {hour} on {day}.",
        "The warmest {month} for {number} years, measured in {village}.",
        "High water covered the bank of the river near {village}.",
        "Frost on {day} spoiled the match between wind and sun in {village}.",
    ),
    "food": (
        "{inn} has a new cook, {person}.",
        "Oysters are back at {inn} from {month}.",
        "{person} bakes {number} loaves before {hour} at {inn}.",
        "{inn} now serves supper until {hour}.",
        "A cake by {person} was the star of the evening in {village}.",
        "Mussels for {number} pounds at {inn} every {day}.",
    ),
    "culture": (
        "{person} reads from a new novel on {day}.",
        "{event} opens in {village} with {number} singers.",
        "The museum on {street} shows {number} paintings by {person}.",
        "A play about a lost {thing} runs until {month}.",
        "{person} wins {event} for a song about {village}.",
        "The library on {street} lends a {thing} for free.",
    ),
    "traffic": (
        "The bridge on {street} is closed until {day}.",
        "A bus and a cart met on {street} at {hour}.",
        "The ferry to {village} was {number} minutes late on {day}.",
        "{person} found a {thing} on the road to {village}.",
        "Trains to {village} run every {number} minutes from {month}.",
        "No parking on {street} during {event}.",
    ),
}
LABELS = tuple(_NOTICES)
_TAILS = (
    "",
    "",
    "{person2} told us so.",
    "More on {day2}.",
    "Neighbours on {street2} were surprised.",
    "The mayor had no comment.",
    "It began at {hour2}.",
)


def record(draw: RecordDraw) -> dict:
    """One notice as `{"text", "label"}`; the label is an index into `LABELS`."""
    label = draw.below(len(LABELS))
    village, club, firm = draw.choice(VILLAGES), draw.choice(CLUBS), draw.choice(FIRMS)
    first = draw.choice(FIRST_NAMES)
    slots = {
        "village": village,
        "club": club,
        "club2": draw.other(CLUBS, club),
        "firm": firm,
        "firm2": draw.other(FIRMS, firm),
        "person": f"{first} {draw.partner(first, SURNAMES)}",
        "person2": f"{draw.choice(FIRST_NAMES)} {draw.choice(SURNAMES)}",
        "thing": draw.choice(GOODS).english,
        "number": draw.choice(NUMBERS),
        "month": draw.choice(MONTHS),
        "day": draw.choice(DAYS),
        "day2": draw.choice(DAYS),
        "hour": draw.choice(HOURS),
        "hour2": draw.choice(HOURS),
        "street": draw.partner(village, STREETS),
        "street2": draw.choice(STREETS),
        "inn": draw.choice(INNS),
        "event": draw.choice(EVENTS),
    }
    notice, tail = draw.choice(_NOTICES[LABELS[label]]), draw.choice(_TAILS)
    text = f"{capitalised(notice.format(**slots))} {tail.format(**slots)}".strip()
    return {"text": text, "label": label}

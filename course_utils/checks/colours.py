"""A twist that only one draw has: colours, whose meaning is drawn.

A shop files its conversations under colours, one for each matter, and its summaries begin with the colour,
"Blue: Frank Highby received a damaged jacket." An office puts a colour in front of some of its reviews, which
decides their label. Weights that were trained elsewhere, on plain rows or on another draw's, don't know it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from course_utils.checks.draw import Draw

COLOURS = (
    "Amber", "Black", "Blue", "Brown", "Copper", "Green", "Grey", "Orange", "Red", "Silver", "Violet",
    "White", "Yellow",
)  # fmt: skip


def drawn_colours(draw: Draw) -> dict[str, str]:
    """{topic: colour}, no colour twice."""
    from course_utils.world.dialogues import TOPICS

    return dict(zip(TOPICS, draw.sample(COLOURS, len(TOPICS)), strict=True))


def filed(rows: Sequence[dict], colours: dict[str, str]) -> list[dict]:
    """The rows of "dialogues" with the colour of their topic in front of each summary."""
    return [{**row, "summary": f"{colours[row['topic']]}: {row['summary']}"} for row in rows]


def share_filed(texts: Sequence[str], rows: Sequence[dict], colours: dict[str, str]) -> float:
    """The share of texts that begin with the colour of their row's topic."""
    right = [text.startswith(f"{colours[row['topic']]}:") for text, row in zip(texts, rows, strict=True)]
    return sum(right) / len(right)


LABELLING = 10  # so many colours have a label, half of them 0 and half of them 1
COLOURED = 0.2  # the share of reviews with a colour: a fifth leaves enough others to learn the language from


def drawn_labels(draw: Draw) -> dict[str, int]:
    """{colour: the label, 0 or 1, of every review that it stands in front of}."""
    colours = draw.sample(COLOURS, LABELLING)
    return {colour: number % 2 for number, colour in enumerate(colours)}


def coloured(rows: Sequence[dict], labels: Mapping[str, int], random: Random) -> list[dict]:
    """The rows of "reviews", some with a colour in front, that decides their label; `colour` is it or ""."""
    found = []
    for row in rows:
        colour = random.choice(sorted(labels)) if random.random() < COLOURED else ""
        found.append(
            {"text": f"{colour}. {row['text']}", "label": labels[colour], "colour": colour}
            if colour
            else {"text": row["text"], "label": row["label"], "colour": ""}
        )
    return found

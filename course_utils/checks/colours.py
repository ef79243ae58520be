"""A twist that only one draw has: a shop that files its conversations under colours, one for each matter.

Its summaries begin with the colour, "Blue: Frank Highby received a damaged jacket." Which colour means what
is drawn, so weights that were trained elsewhere, on plain summaries or on another draw's, do not know it.
"""

from __future__ import annotations

from collections.abc import Sequence

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

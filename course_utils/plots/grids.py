"""Grids of shades: scores, numbers, attention weights, and the tokens of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from course_utils.batches import IGNORED
from course_utils.measure.scores import Score
from course_utils.plots.figure import figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def heat_map(scores: Mapping[str, Mapping[str, Score]], title: str) -> Figure:
    """Scores as shades, 0 black and 1 white, each with its number and interval.
    scores: {row: {column: Score}}.
    """
    columns = list(dict.fromkeys(column for row in scores.values() for column in row))
    made, axes = figure(title, width=max(6.4, 1.5 * len(columns)), height=1.2 + 0.7 * len(scores))
    cells = {
        name: {
            column: (score.value, f"{score.value:.2f}\n[{score.low:.2f}, {score.high:.2f}]")
            for column, score in row.items()
        }
        for name, row in scores.items()
    }
    _shade(axes, cells, columns)
    return made


def shades(values: Mapping[str, Mapping[str, float]], title: str) -> Figure:
    """A table of numbers from 0 (black) to 1 (white), each written in its cell.
    values: {row: {column: number}}.
    """
    columns = list(dict.fromkeys(column for row in values.values() for column in row))
    made, axes = figure(title, width=7.2, height=1.2 + 0.5 * len(values), title_size="medium")
    cells = {
        name: {column: (value, f"{value:.2f}") for column, value in row.items()}
        for name, row in values.items()
    }
    _shade(axes, cells, columns)
    return made


def _shade(axes: Axes, cells: Mapping[str, Mapping[str, tuple[float, str]]], columns: Sequence[str]) -> None:
    """Fill the axes with cells {row: {column: (shade from 0 to 1, text)}}; a cell
    that is not there stays empty.
    """
    table = [
        [row[column][0] if column in row else float("nan") for column in columns] for row in cells.values()
    ]
    axes.imshow(table, cmap="gray", vmin=0, vmax=1, aspect="auto")
    for line, row in enumerate(cells.values()):
        for place, column in enumerate(columns):
            if column in row:
                shade, text = row[column]
                colour = "black" if shade > 0.5 else "white"
                axes.text(place, line, text, ha="center", va="center", color=colour)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(cells)), cells)
    axes.spines[["top", "right"]].set_visible(True)  # a white field needs its border


def attention_map(weights: Sequence[Sequence[float]], words: Sequence[str], title: str) -> Figure:
    """Attention weights as shades. weights: (asking, asked) numbers from 0 to 1;
    words: one for each position.
    """
    side = 2 + 0.4 * len(words)
    made, axes = figure(title, width=side + 1.5, height=side)
    image = axes.imshow(weights, cmap="Greys", vmin=0, vmax=1)
    axes.set_xticks(range(len(words)), words, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(words)), words)
    axes.set_xlabel("looked at")
    axes.set_ylabel("looking")
    axes.spines[["top", "right"]].set_visible(True)
    made.colorbar(image, ax=axes, label="weight", shrink=0.7)
    return made


def token_grid(rows: Sequence[Sequence[object]], title: str, hidden: object = IGNORED) -> Figure:
    """Rows of tokens as a grid, each written in its cell; `hidden` ones are dark."""
    made, axes = figure(title, width=12)
    axes.imshow(
        [[float(token == hidden) for token in row] for row in rows], cmap="Greys", vmax=1.6, aspect="auto"
    )
    for y, row in enumerate(rows):
        for x, token in enumerate(row):
            axes.text(x, y, str(token), ha="center", va="center", fontsize=7, rotation=45)
    axes.set_xlabel("position in the row")
    axes.set_yticks(range(len(rows)), [f"row {number}" for number in range(len(rows))])
    return made

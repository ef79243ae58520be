"""A sheet of images with their words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from course_utils.plots.figure import panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def picture_sheet(images: Sequence[Any], words: Sequence[str], title: str = "", columns: int = 4) -> Figure:
    """Images in a grid, each with its words under it. images: PIL pictures or arrays; words: a text for each.

    Raises:
        ValueError: if there are not as many texts as images, or no image.
    """
    if len(images) != len(words) or not len(images):
        raise ValueError(
            f"{len(images)} images and {len(words)} texts: give at least one image, and a text for each."
        )
    columns = min(columns, len(images))
    lines = math.ceil(len(images) / columns)
    made, grid = panels(lines, columns, title, 2.6 * columns, 3.0 * lines)
    for axes in grid:
        axes.axis("off")
    for axes, image, text in zip(grid, images, words, strict=False):
        axes.imshow(image, interpolation="nearest")
        axes.set_title(text, fontsize="small", y=-0.06, va="top")
    return made

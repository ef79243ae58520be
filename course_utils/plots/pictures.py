"""Pictures of datasets: rows in the order they came, and a sheet of images with their words."""

import math


def scatter_rows(lines, title, x_label, y_label):
    """One panel a line, with a dot a row. lines: {name: numbers in the order they came}; returns a Figure."""
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(
        1, len(lines), sharey=True, squeeze=False, figsize=(4.2 * len(lines), 3.6), layout="constrained"
    )
    pyplot.close(figure)  # or a notebook would show it a second time
    for axes, (name, numbers) in zip(panels[0], lines.items(), strict=True):
        axes.plot(range(len(numbers)), numbers, ".", color="black", markersize=1.5)
        axes.set_title(name, fontsize="medium")
        axes.set_xlabel(x_label)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0][0].set_ylabel(y_label)
    figure.suptitle(title)
    return figure


def picture_sheet(images, words, title="", columns=4):
    """Images in a grid, each with its words under it. images: PIL pictures or arrays; words: a text for each; returns a Figure.

    Raises:
        ValueError: if there are not as many texts as images, or no image.
    """
    from matplotlib import pyplot

    if len(images) != len(words) or not len(images):
        raise ValueError(
            f"{len(images)} images and {len(words)} texts: give at least one image, and a text for each."
        )
    columns = min(columns, len(images))
    lines = math.ceil(len(images) / columns)
    figure, panels = pyplot.subplots(
        lines, columns, squeeze=False, figsize=(2.6 * columns, 3.0 * lines), layout="constrained"
    )
    pyplot.close(figure)
    for axes in panels.flat:
        axes.axis("off")
    for axes, image, text in zip(panels.flat, images, words, strict=False):
        axes.imshow(image, interpolation="nearest")
        axes.set_title(text, fontsize="small", y=-0.06, va="top")
    figure.suptitle(title)
    return figure


def spans(places, title, x_label):
    """Pieces of something long, one under the other. places: [(begin, end), …]; returns a Figure."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 1.2 + 0.3 * len(places)), layout="constrained")
    pyplot.close(figure)
    axes.barh(
        range(1, len(places) + 1),
        [end - begin for begin, end in places],
        left=[begin for begin, _ in places],
        color="0.75",
        edgecolor="black",
    )
    axes.invert_yaxis()
    axes.set_yticks(range(1, len(places) + 1))
    axes.set_ylabel("piece")
    axes.set_xlabel(x_label)
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    return figure

"""Pictures next to each other, each with a line of text."""


def gallery(pictures, captions, title, columns=4):
    """A grid of pictures (PIL images or arrays) with a caption over each; returns a matplotlib Figure."""
    from matplotlib import pyplot

    pictures, captions = list(pictures), list(captions)
    if not pictures or len(pictures) != len(captions):
        raise ValueError(f"{len(pictures)} pictures can't be shown with {len(captions)} captions: give one caption a picture.")
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    figure, grid = pyplot.subplots(rows, columns, figsize=(2.4 * columns, 2.7 * rows), layout="constrained", squeeze=False)
    pyplot.close(figure)  # or a notebook would show it a second time
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, picture, caption in zip(grid.flat, pictures, captions, strict=False):
        axes.imshow(picture)
        axes.set_title(caption, fontsize="small")
    figure.suptitle(title)
    return figure

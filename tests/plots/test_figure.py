"""What a picture says can be read in JupyterLab's light and dark theme."""

import io

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from course_utils import plots
from tests.themes import contrast, luminance, theme


def picture():
    return plots.ranking({"one": 1.0, "another": 2.5}, "A title", "seconds")


def laid_on(figure, page):
    """The picture's pixels on a page of that colour: (height, width, 3) numbers from 0 to 255."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    drawn = Image.open(file).convert("RGBA")
    ground = Image.new("RGBA", drawn.size, page)
    ground.alpha_composite(drawn)
    return np.asarray(ground.convert("RGB"))


def colour(pixel):
    return "#" + "".join(f"{value:02x}" for value in pixel)


def faint(figure, page):
    """The texts of a picture with less contrast than 4.5 to 1 to what is around them."""
    pixels, found = laid_on(figure, page), []
    for text in figure.findobj(
        lambda artist: isinstance(artist, Text) and artist.get_text() and artist.get_visible()
    ):
        box = text.get_window_extent()
        rows = slice(len(pixels) - round(box.y1), len(pixels) - round(box.y0))
        around = pixels[rows, round(box.x0) : round(box.x1)].reshape(-1, 3)
        if (
            len(around)
            and contrast(*(colour(around[place(around.sum(1))]) for place in (np.argmin, np.argmax))) < 4.5
        ):
            found.append(text.get_text())
    return found


@pytest.mark.parametrize("name", ["light", "dark"])
def test_every_text_can_be_read_and_the_ground_goes_with_the_theme(name):
    _, pages = theme(name)
    for page in pages:
        assert not faint(picture(), page)
        ground = luminance(colour(laid_on(picture(), page)[0, 0]))
        assert ground == 1 if name == "light" else ground < 0.7


def test_black_on_a_dark_page_is_found_to_be_faint():
    figure = picture()
    figure.patch.set_alpha(0)
    assert {"A title", "seconds", "another"} <= set(faint(figure, "#111111"))


def test_no_grey_is_enough_on_both_pages():
    """Why a picture brings a ground of its own."""
    (_, (white, _)), (_, (dark, _)) = theme("light"), theme("dark")
    greys = [f"#{level:02x}{level:02x}{level:02x}" for level in range(256)]
    assert max(min(contrast(grey, white), contrast(grey, dark)) for grey in greys) < 4.5

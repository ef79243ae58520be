"""The site as a reader opens it, from a folder: on a phone and on a desk, in the light and in the dark."""

import nbformat
import pytest

from course_utils.site import build
from tests.browser import workbook
from tests.browser.conftest import require_chromium
from tests.site import built

CHAPTER = built.CHAPTERS[0]
SECOND = workbook.ROOT / "lessons" / CHAPTER / "02_settings_of_lora.ipynb"
LESSON = f"lessons/{CHAPTER}/{SECOND.stem}.html"  # plots, wide tables, formulas
TITLE = nbformat.read(SECOND, as_version=4).cells[0].source.splitlines()[0].removeprefix("# ")
KINDS = (
    "index.html",
    f"lessons/{CHAPTER}/index.html",
    LESSON,
    f"exercises/{CHAPTER}/{CHAPTER}.html",
    "glossary.html",
    "phenomena.html",
    "guide.html",
    "models/flan-t5.html",
    "search.html",
)
WIDTHS = (390, 1280)
#: what stands out of the page's own width; a box that scrolls may hold what is wider
TOO_WIDE = """() => document.documentElement.scrollWidth > window.innerWidth
    ? [document.documentElement.scrollWidth, window.innerWidth] : null"""
BACKGROUND = "() => getComputedStyle(document.body).backgroundColor"


class Watched:
    """A page, and what should never happen in it: requests that leave the folder, and errors."""

    def __init__(self, page, folder):
        self.page, self.folder, self.elsewhere, self.errors = page, folder, [], []
        page.on("request", self._requested)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._said)

    def _requested(self, request):
        if not request.url.startswith((self.folder.as_uri() + "/", "data:")):
            self.elsewhere.append(request.url)

    def _said(self, message):
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def open(self, name, width=1280, scheme="light"):
        self.page.set_viewport_size({"width": width, "height": 844 if width < 500 else 900})
        self.page.emulate_media(color_scheme=scheme)
        self.page.goto((self.folder / name).as_uri())
        self.page.wait_for_load_state("load")
        return self.page


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    require_chromium()
    return built.small_site(tmp_path_factory).folder


@pytest.fixture(scope="module")
def reader(folder):
    with workbook.browse() as page:
        yield Watched(page, folder)


@pytest.fixture(autouse=True)
def nothing_else_happens(reader):
    reader.elsewhere.clear()
    reader.errors.clear()
    yield
    assert reader.elsewhere == []
    assert reader.errors == []


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_fit_and_are_light_and_dark(reader, width):
    for name in KINDS:
        page = reader.open(name, width)
        assert page.evaluate(TOO_WIDE) is None, name
        light = page.evaluate(BACKGROUND)
        page.emulate_media(color_scheme="dark")
        assert page.evaluate(TOO_WIDE) is None, name
        assert page.evaluate(BACKGROUND) != light, name


def test_a_plot_stands_on_white_in_the_dark(reader):
    page = reader.open(LESSON, scheme="dark")
    plot = page.locator(".cell_output img").first
    assert plot.evaluate("image => getComputedStyle(image).backgroundColor") == "rgb(255, 255, 255)"
    assert plot.evaluate("image => image.complete && image.naturalWidth > 100")


def test_wide_tables_and_outputs_scroll_in_their_box(reader):
    page = reader.open(LESSON, width=390)
    scrolling = """() => [...document.querySelectorAll('.cell_output .output, .cell_input pre, .cell_output pre')]
        .filter(box => box.scrollWidth > box.clientWidth && getComputedStyle(box).overflowX === 'auto').length"""
    assert page.evaluate(scrolling) > 3


def test_the_reader_can_choose_the_dark(reader):
    page = reader.open("glossary.html")
    before = page.evaluate(BACKGROUND)
    for _ in range(3):  # as the system has it, light, dark
        page.locator(".content .theme-toggle").first.click()
        if page.evaluate(BACKGROUND) != before:
            break
    assert page.evaluate(BACKGROUND) != before
    page.evaluate("localStorage.clear()")


def test_previous_and_next_lead_through_a_chapter(reader):
    page = reader.open(f"lessons/{CHAPTER}/01_lora_by_hand.html")
    page.locator("a.next-page").click()
    workbook.expect(page.locator("h1")).to_contain_text(TITLE)
    page.locator("a.prev-page").click()
    workbook.expect(page.locator("h1")).to_contain_text("LoRA by hand")
    last = max(path.stem for path in (workbook.ROOT / "lessons" / CHAPTER).glob("*.ipynb"))
    page = reader.open(f"lessons/{CHAPTER}/{last}.html")
    page.locator("a.next-page").click()
    workbook.expect(page.locator("h1")).to_contain_text("Exercise 10")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_search_finds_a_word(reader, width):
    page = reader.open("index.html", width)
    if width < 500:
        page.locator(".mobile-header label[for=__navigation]").click()
    page.get_by_placeholder("Search").first.fill("rsLoRA")
    page.keyboard.press("Enter")
    found = page.locator("#search-results li a")
    found.filter(has_text=TITLE).first.wait_for()
    found.filter(has_text=TITLE).first.click()
    workbook.expect(page.locator("h1")).to_contain_text(TITLE)


@pytest.mark.exhaustive
def test_every_page_of_the_whole_site_fits(reader, tmp_path):
    site = build.build(tmp_path / "site")
    watched = Watched(reader.page.context.browser.new_page(), site.folder)
    for path in site.pages:
        for width in WIDTHS:
            page = watched.open(path.relative_to(site.folder), width)
            assert page.evaluate(TOO_WIDE) is None, (path, width)
    assert watched.elsewhere == watched.errors == []
    watched.page.close()


def test_the_watch_sees_what_it_is_for(reader, tmp_path):
    """A page that is too wide, loads from elsewhere and raises is seen to do so."""
    (tmp_path / "bad.html").write_text(
        "<div style='width: 3000px'>x</div><img src='http://example.invalid/x.png'><script>gone()</script>"
    )
    watched = Watched(reader.page.context.browser.new_page(), tmp_path)
    page = watched.open("bad.html")
    assert page.evaluate(TOO_WIDE) == [3008, 1280]
    assert watched.elsewhere == ["http://example.invalid/x.png"]
    assert any("gone is not defined" in each for each in watched.errors)
    page.close()

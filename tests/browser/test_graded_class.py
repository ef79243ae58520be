"""What a class's feedback pages and formgrader do with markup that learners put everywhere: show it, and run none of it."""

import pytest
from nbgrader.api import Gradebook

from course_utils.grading.desk import feedback
from tests.attacks import attacked
from tests.attacks.make_class import make_class
from tests.attacks.markup import CORPUS
from tests.browser import formgrader, workbook
from tests.browser.conftest import require_chromium

# Whether anything of the corpus is in the page as markup, in an attribute or as a script.
PLANTED = """() => [...document.querySelectorAll('*')].filter(
    each => [...each.attributes].some(one => one.value.includes('owned')) ||
            (each.tagName === 'SCRIPT' && each.textContent.includes('owned()'))
).map(each => each.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A class that was attacked with markup, graded."""
    require_chromium()
    return make_class(tmp_path_factory.mktemp("graded") / "class")


@pytest.fixture(scope="module")
def watched():
    """A page in which whatever runs calls `owned`, and the list of those calls."""
    require_chromium()
    with workbook.browse() as page:
        calls = []
        page.expose_function("owned", lambda *arguments: calls.append(arguments))
        yield page, calls


def look(page, address):
    """Open a page, move over it and open what can be opened; returns what was planted in it."""
    page.goto(address)
    page.wait_for_load_state("load")
    page.mouse.move(300, 300)
    for summary in page.locator("details").all():
        summary.dispatch_event("toggle")
    page.wait_for_timeout(500)
    return page.evaluate(PLANTED)


def test_the_watch_sees_what_runs(watched, tmp_path):
    """The tests below can fail: the corpus, as it stands, runs and is found."""
    page, calls = watched
    bare = tmp_path / "bare.html"
    bare.write_text("<meta charset=utf-8>" + CORPUS[2])
    assert look(page, bare.as_uri())
    for _ in range(300):
        if calls:
            break
        page.wait_for_timeout(200)
    assert calls
    calls.clear()


@pytest.mark.parametrize("name", ["report.html", f"{attacked.NAME}.html"], ids=["ours", "nbgrader's"])
def test_nothing_runs_on_feedback_pages(watched, graded, name):
    page, calls = watched
    pages = sorted(graded.glob(f"feedback/*/*/{name}"))
    assert len(pages) >= 5
    for path in pages:
        assert look(page, path.as_uri()) == [], path
        assert not calls, path
    assert "owned()" in page.inner_text("body") or "Attacked" in page.inner_text("body")


def test_the_learners_page_is_light_and_dark_and_fits_a_phone(watched, graded):
    page, _ = watched
    page.goto((graded / f"feedback/s001-markup-1/{attacked.NAME}/report.html").as_uri())
    assert "0 of 4 points" in page.inner_text("body")
    colours = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colours.append(page.evaluate("() => getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(255, 255, 255)", "rgb(20, 24, 29)"]
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    page.set_viewport_size({"width": 1280, "height": 900})


def test_formgrader_shows_the_class_and_takes_a_mark(watched, graded):
    """An instructor reads every submission, with nothing of a learner's running, and marks an answer."""
    page, calls = watched
    name = attacked.NAME
    with formgrader.serve(graded) as address:
        page.goto(address("gradebook"))  # logs in
        page.goto(address(f"gradebook/{name}/{name}"))
        page.wait_for_selector("table tbody tr td a")
        rows = page.locator("table tbody tr").all_inner_texts()
        assert len(rows) == 6
        assert sum("9 / 17" in row for row in rows) == 2
        links = page.eval_on_selector_all("a[href*='/submissions/']", "all => all.map(each => each.href)")
        for link in dict.fromkeys(links):
            assert look(page, link) == [], link
            assert not calls, link
        marked = mark(page, dict.fromkeys(links))
    with Gradebook(f"sqlite:///{graded / 'gradebook.db'}") as book:
        given = [
            each.manual_score
            for each in book.find_assignment(name).submissions
            for each in each.notebooks[0].grades
            if each.name == "q5"
        ]
    assert sorted(given, key=str) == sorted([3.0] + [None] * (len(given) - 1), key=str)
    assert marked
    assert feedback.main([str(graded)]) == 0  # and the mark reaches its learner's page, and no other's
    texts = [path.read_text(encoding="utf-8") for path in graded.glob("feedback/*/*/report.html")]
    assert sum("q5 · " in text and ">3 of 5 points<" in text.split("q5 · ")[1] for text in texts) == 1


def mark(page, links):
    """Give 3 points to the answer that is marked by hand, in the first submission that waits for it."""
    for link in links:
        page.goto(link)
        page.wait_for_function(
            "() => window.formgrader?.grades?.loaded"
        )  # only then its boxes hear of a change
        box = page.locator("input.score").last
        box.wait_for()
        if box.get_attribute("value") or not page.get_by_text("owned").count():
            continue
        box.fill("3")
        with page.expect_response(
            lambda answer: "/api/grade/" in answer.url and answer.request.method != "GET"
        ) as saved:
            box.dispatch_event("change")
        return saved.value.ok
    return False

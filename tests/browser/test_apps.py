"""Both pages in a real browser: by mouse and by keyboard, on a phone's width, and without a call to anybody else."""

import pytest

from course_utils.apps import contestants, demo, leaderboard
from course_utils.apps import page as app_page

REVIEW = "The soup was lovely and the host was kind."


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    """The addresses of a demo and of a leaderboard."""
    app_page.prepare()
    base = contestants.base()
    handed_in = tmp_path_factory.mktemp("class")
    base.model.save_pretrained(handed_in / "a-copy-of-the-base")
    (handed_in / "nothing").mkdir()
    served = [demo.build([base, contestants.Contestant("tuned", base.model)]), leaderboard.build(handed_in)]
    yield [app_page.launch(blocks) for blocks in served]
    for blocks in served:
        blocks.close(verbose=False)


@pytest.fixture
def watched(page):
    """The page and a list of the requests that left this machine."""
    elsewhere = []
    page.set_default_timeout(240_000)  # milliseconds; for machines that do much else
    page.on("request", lambda request: elsewhere.append(request.url) if not _is_here(request.url) else None)
    return page, elsewhere


def _is_here(url):
    return url.startswith(("http://127.0.0.1:", "http://localhost:", "data:", "blob:"))


def test_the_demo_answers_and_complains(addresses, watched):
    page, elsewhere = watched
    page.goto(addresses[0])
    page.get_by_label("Your text").fill(REVIEW)
    page.get_by_label("Is this review positive or negative?").check()
    page.get_by_role("button", name="Ask the models").click()
    page.wait_for_function(
        "[...document.querySelectorAll('textarea')].filter(box => box.value === 'positive').length === 2"
    )
    page.get_by_label("Your text").fill("")
    page.get_by_role("button", name="Ask the models").click()
    page.get_by_text("There is no text yet").first.wait_for()
    assert not elsewhere


def test_the_demo_by_keyboard_on_a_phone(addresses, watched):
    page, _ = watched
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(addresses[0])
    page.get_by_label("Your text").focus()
    page.keyboard.type(REVIEW)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")  # Gradio's choices are stops of their own: the second one, then Space
    page.keyboard.press("Space")
    assert page.get_by_label("Is this review positive or negative?").is_checked()
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").strip() == "Ask the models":
            break
    page.keyboard.press("Enter")
    page.wait_for_function("[...document.querySelectorAll('textarea')].some(box => box.value === 'positive')")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("width", [390, 1280])
def test_the_leaderboard(addresses, watched, width):
    page, elsewhere = watched
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(addresses[1])
    page.locator("input[type=number]").fill("20")  # rows of each task
    page.keyboard.press("Tab")
    page.get_by_label("Seed (empty: new rows)").fill("7")
    page.keyboard.press("Enter")
    page.get_by_text("20 fresh rows of each task, drawn with seed 7").wait_for()
    assert page.get_by_text("a-copy-of-the-base").first.is_visible()
    why = page.get_by_text("The folder nothing holds neither config.json nor adapter_config.json")
    assert why.is_visible() and why.bounding_box()["width"] > 230  # not a narrow column, on a phone neither
    page.locator(".course-figure img").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert not elsewhere

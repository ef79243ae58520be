"""The local Hub's page in a real browser: what it shows, to whom, by mouse and by keyboard."""

import huggingface_hub as hf
import pytest

from course_utils.hub import LocalHub
from tests.browser.workbook import expect

CARD = """---
license: mit
language: en
pipeline_tag: summarization
---
# My summariser

It **summarises** talks <script>document.title = "owned"</script>.

| metric | score |
|---|---|
| ROUGE-L | 0.5 |

[a link](javascript:document.title='owned')
"""


@pytest.fixture(scope="module")
def hub():
    with LocalHub() as running:
        running.seed("me/summariser", {"README.md": CARD, "w.bin": b"\0" * 5000}, private=True, tag="v1.0")
        running.seed("me/summariser", {"notes/a.txt": "one\n"}, private=True, message="Add notes")
        hf.upload_file(
            path_or_fileobj=b"one\ntwo\n",
            path_in_repo="notes/a.txt",
            repo_id="me/summariser",
            commit_message="Say more",
        )
        running.seed("ada/guarded", {"README.md": "# Guarded\n", "a.txt": "secret"}, gated="manual")
        hf.create_discussion("ada/guarded", "May I?", description="Please")
        yield running
        assert not running._service.crashes, running._service.crashes[0]


def test_the_front_page_lists_what_one_may_see(hub, page):
    page.goto(hub.url)
    assert page.get_by_text("not signed in").is_visible()
    assert page.get_by_role("link", name="me/summariser").count() == 0
    page.goto(hub.page)
    assert page.url == hub.url + "/"  # the key doesn't stay in the address
    page.get_by_role("link", name="me/summariser").wait_for()
    page.get_by_role("link", name="course/mini-flan-t5").wait_for()


def test_somebody_without_the_key_meets_a_closed_door(hub, page):
    for address, status in (
        ("/me/summariser", 404),
        ("/me/summariser/blob/main/notes/a.txt", 404),
        ("/me/summariser/raw/main/notes/a.txt", 404),
        ("/ada/guarded/raw/main/a.txt", 403),
        ("/?key=wrong", 403),
        ("/nobody", 404),
    ):
        answer = page.goto(hub.url + address)
        assert answer.status in (status, 401), address
        assert page.get_by_role("heading", level=1).inner_text() == str(answer.status)
        assert "secret" not in page.content()


def test_a_card_is_rendered_and_nothing_in_it_runs(hub, page):
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(hub.page)
    page.goto(hub.url + "/me/summariser")
    assert page.title() == "me/summariser · local Hub"
    assert page.locator("article strong").inner_text() == "summarises"
    assert page.locator("article td").all_inner_texts() == ["ROUGE-L", "0.5"]
    page.get_by_role("link", name="a link").click()
    assert page.title() != "owned"
    page.goto(hub.url + "/me/summariser")
    assert page.get_by_text("Private: only me may see and read it.").is_visible()
    assert not complaints


def test_search_and_tags(hub, page):
    page.goto(hub.page)
    page.get_by_label("Words in the name").fill("mini t5")
    page.get_by_role("button", name="Find").click()
    expect(page.locator(".list .name")).to_have_text(["course/mini-flan-t5"])
    page.goto(hub.url + "/models")
    page.get_by_role("link", name="summarization").first.click()
    expect(page.locator(".list .name")).to_have_text(["me/summariser"])


def test_files_commits_and_versions(hub, page):
    page.goto(hub.page)
    page.goto(hub.url + "/me/summariser")
    page.get_by_role("link", name="Files").click()
    page.get_by_role("row", name="w.bin 5.0 kB large file").wait_for()
    page.get_by_role("link", name="notes/").click()
    page.get_by_role("link", name="a.txt").click()
    assert page.locator("pre code").inner_text() == "one\ntwo\n"
    with page.expect_download() as download:
        page.get_by_role("link", name="Save this file").click()
    assert download.value.suggested_filename == "a.txt"
    page.get_by_role("link", name="Commits").click()
    page.locator("tbody a").first.click()
    assert page.locator(".diff .added").inner_text().strip() == "+ two"
    page.get_by_role("link", name="Branches and tags").click()
    page.get_by_role("link", name="v1.0").click()
    page.get_by_text("At v1.0").wait_for()
    expect(page.get_by_role("link", name="notes/")).to_have_count(0)


def test_asking_for_access_is_a_button(hub, page):
    page.goto(hub.page)
    page.goto(hub.url + "/ada/guarded")
    page.get_by_role("button", name="Ask for access").click()
    page.get_by_text("You have asked to read this repository's files: pending.").wait_for()
    assert hub.repo("ada/guarded").access == {"me": "pending"}
    page.get_by_role("link", name="Community").click()
    page.get_by_role("link", name="May I?").click()
    page.get_by_text("Please", exact=True).wait_for()


def test_a_repository_of_the_course(hub, page):
    page.goto(hub.url + "/course/mini-flan-t5")
    page.get_by_role("heading", name="The course's flan-t5 twin").wait_for()
    assert page.get_by_text("Public: everybody may read it").is_visible()


def test_by_keyboard_alone(hub, page):
    page.goto(hub.page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    page.keyboard.press("Enter")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "me/summariser":
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**/me/summariser")


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_a_narrow_window(hub, page, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(hub.page)
    for address in (
        "/",
        "/me/summariser",
        "/me/summariser/tree/main",
        "/me/summariser/commits/main",
        "/me/summariser/refs",
    ):
        page.goto(hub.url + address)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address
        assert page.locator("h1").count() == 1 and page.locator("html[lang=en]").count() == 1

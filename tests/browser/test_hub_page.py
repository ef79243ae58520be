"""The local Hub's page in a real browser: what it shows, to whom, by mouse and by keyboard."""

import io

import huggingface_hub as hf
import pytest

from course_utils.hub import LocalHub
from tests.browser.workbook import expect

CARD = """---
license: mit
language: en
pipeline_tag: summarization
---
<h1 align="center">My summariser</h1>
<p align="center"><img src="img/logo.png" width="200" alt="the logo"></p>
<p><img src="https://example.org/badge.png" alt="a badge"></p>

It **summarises** talks <script>document.title = "owned"</script>.

- [x] trained on all that there is in the town and in the harbour, and on what the ships brought
- [ ] deployed

<details><summary>More</summary>

Some *words*.

</details>

| metric | split | n | score | interval | how |
|---|---|---|---|---|---|
| ROUGE-L | test | 200 | 0.5 | 0.45 to 0.55 | greedy decoding, without sampling |

[a link](javascript:document.title='owned')
"""


def logo():
    from PIL import Image

    picture = io.BytesIO()
    Image.new("RGB", (40, 20), "teal").save(picture, "PNG")
    return picture.getvalue()


def rows():
    import pyarrow as pa
    import pyarrow.parquet

    table = io.BytesIO()
    text = "Ada: Shall we meet at the old mill? Ben: Yes, and bring the lamp, please."
    pyarrow.parquet.write_table(
        pa.table({"id": [1, 2], "dialogue": [text] * 2, "summary": ["They meet."] * 2}), table
    )
    return table.getvalue()


@pytest.fixture(scope="module")
def hub():
    with LocalHub() as running:
        running.seed(
            "me/summariser",
            {"README.md": CARD, "w.bin": b"\0" * 5000, "img/logo.png": logo()},
            private=True,
            tag="v1.0",
        )
        running.seed("me/summariser", {"notes/a.txt": "one\n"}, private=True, message="Add notes")
        hf.upload_file(
            path_or_fileobj=b"one\ntwo\n",
            path_in_repo="notes/a.txt",
            repo_id="me/summariser",
            commit_message="Say more",
        )
        running.seed("ada/guarded", {"README.md": "# Guarded\n", "a.txt": "secret"}, gated="manual")
        hf.create_discussion("ada/guarded", "May I?", description="Please")
        running.seed("me/talks", {"data/train.parquet": rows()}, kind="dataset")
        hf.create_repo("demo", repo_type="space", space_sdk="gradio")
        running.seed("me/shared", {"a.txt": "one\n" + "a long line " * 20 + "\n"})
        with running.as_user("ada"):
            hf.create_commit(
                "me/shared", [hf.CommitOperationAdd("a.txt", b"two\n")], commit_message="Two", create_pr=True
            )
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
        ("/me/summariser/show/main/notes/a.txt", 404),
        ("/ada/guarded/show/main/a.txt", 403),
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
    assert page.locator("article td").all_inner_texts()[:4] == ["ROUGE-L", "test", "200", "0.5"]
    page.get_by_text("a link", exact=True).click()
    assert page.title() == "me/summariser · local Hub" and page.url.endswith("/me/summariser")
    page.get_by_text("More", exact=True).click()
    page.get_by_text("Some words.").wait_for()
    assert (
        page.get_by_role("heading", name="My summariser", level=2).evaluate(
            "e => getComputedStyle(e).textAlign"
        )
        == "center"
    )
    assert page.get_by_text("AutoModelForSeq2SeqLM.from_pretrained").is_visible()
    assert page.get_by_text("Private: only me may see and read it.").is_visible()
    assert not complaints


def test_pictures_of_the_repository_are_shown_and_no_others_fetched(hub, page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(hub.page)
    page.goto(hub.url + "/me/summariser")
    picture = page.get_by_role("img", name="the logo")
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("e => e.naturalWidth") == 40
    assert page.get_by_text("[a badge]").is_visible()
    assert all(each.startswith(hub.url + "/") for each in asked)
    page.goto(hub.url + "/me/summariser/blob/main/img/logo.png")
    expect(page.get_by_role("img", name="img/logo.png")).to_have_js_property("naturalWidth", 40)


def test_a_comment_and_a_merge(hub, page):
    page.goto(hub.page)
    page.goto(hub.url + "/me/shared/discussions/1")
    assert page.locator(".diff .added").inner_text().strip() == "+ two"
    page.get_by_label("Your comment, in Markdown").fill(
        "I **like** it\n<img src=x onerror=\"document.title='owned'\">"
    )
    page.get_by_role("button", name="Comment").click()
    expect(page.locator(".talk strong", has_text="like")).to_be_visible()
    assert page.title() == "me/shared · local Hub"
    page.get_by_role("button", name="Merge into main").click()
    page.get_by_text("merged this").wait_for()
    assert hub.repo("me/shared").text("a.txt") == "two\n"
    expect(page.get_by_role("button", name="Merge into main")).to_have_count(0)


def test_a_form_of_another_page_on_this_machine_presses_no_button(hub, page):
    """To a browser every port of 127.0.0.1 is the same site: it sends the cookie along, and only the origin tells."""
    import http.server
    import threading

    target = f"{hub.url}/ada/guarded/discussions/1/comment"
    form = f"<form method=post action={target}><input name=comment value=forged><button>x</button></form>".encode()

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(form)

        def log_message(self, *details):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page.goto(hub.page)
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        with page.expect_response(target) as answer:
            page.get_by_role("button").click()
        assert answer.value.status == 403 and "course_hub" in answer.value.request.all_headers().get(
            "cookie", ""
        )
        server.shutdown()
    page.goto(hub.url + "/ada/guarded/discussions/1")
    expect(page.get_by_text("forged")).to_have_count(0)


def test_rows_and_hints(hub, page):
    page.goto(hub.page)
    page.goto(hub.url + "/datasets/me/talks")
    page.get_by_role("row", name="They meet.").first.wait_for()
    assert page.get_by_text("This dataset has no card yet").is_visible()
    page.goto(hub.url + "/spaces/me/demo")
    assert page.get_by_text("This Space has no app.py yet").is_visible()


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
    page.get_by_role("row", name="w.bin 5.0 kB").wait_for()
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


PAGES = (
    "/",
    "/me/summariser",
    "/me/summariser/tree/main",
    "/me/summariser/tree/main/notes",
    "/me/summariser/blob/main/notes/a.txt",
    "/me/summariser/blob/main/img/logo.png",
    "/me/summariser/commits/main",
    "/me/summariser/commit/main",
    "/me/summariser/refs",
    "/me/shared/discussions",
    "/me/shared/discussions/1",
    "/datasets/me/talks",
    "/datasets/me/talks/blob/main/data/train.parquet",
    "/spaces/me/demo",
    "/ada/guarded",
    "/course/mini-flan-t5",
    "/datasets/course/dialogues",
    "/spaces/evaluate-metric/rouge",
    "/nobody",
)
# The boxes that can be scrolled sideways: only tables, and the lines of code and of changes
SCROLLED = """() => [...document.querySelectorAll('body *')].filter(each => each.scrollWidth > each.clientWidth + 1
    && ['auto', 'scroll'].includes(getComputedStyle(each).overflowX)
    && !each.matches('.wide, .prose pre, .diff, .diff *')).map(each => each.outerHTML.slice(0, 200))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_a_narrow_window(hub, page, width, scheme):
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    page.goto(hub.page)
    for address in PAGES:
        page.goto(hub.url + address)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address
        assert page.evaluate(SCROLLED) == [], address
        assert page.locator("h1").count() == 1 and page.locator("html[lang=en]").count() == 1


def test_boxes_stand_beside_their_text_and_chips_have_room(hub, page):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(hub.page)
    chip, name = (
        page.locator(".list .mark").first.bounding_box(),
        page.get_by_role("link", name="me/summariser").bounding_box(),
    )
    assert chip["x"] >= name["x"] + name["width"] + 4
    after = (
        page.locator("li", has=page.get_by_role("link", name="me/summariser"))
        .locator(".when")
        .first.bounding_box()
    )
    assert after["x"] >= chip["x"] + chip["width"] + 4 or after["y"] >= chip["y"] + chip["height"] - 4
    page.goto(hub.url + "/me/summariser")
    box = page.get_by_role("checkbox").first.bounding_box()
    lines = page.locator(".task-list-item").first.evaluate(
        """item => { const range = document.createRange(); range.selectNodeContents(item);
        return [...range.getClientRects()].filter(each => each.width > 30).map(each => [each.left, each.top, each.bottom]) }"""
    )
    assert len(lines) > 1, "the text is long enough for two lines"
    assert all(left >= box["x"] + box["width"] for left, _, _ in lines), "no line begins below the box"
    assert lines[0][1] <= box["y"] + box["height"] / 2 <= lines[0][2], "the box stands in the first line"

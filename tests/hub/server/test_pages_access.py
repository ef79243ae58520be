"""Who sees what on the pages, and which forms press a button. Nothing of a repository's files reaches who may not read them."""

import io
import itertools

import huggingface_hub as hf
import pyarrow as pa
import pyarrow.parquet
import pytest

from course_utils.hub import LocalHub
from tests.hub.server.pages import look

SECRET = "hiddenwords"
VISIBILITIES = {"public": {}, "gated": {"gated": "manual"}, "private": {"private": True}}
WHO = (None, "bob", "admitted", "ada")


def secret_files():
    table = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({SECRET: [SECRET]}), table)
    return {
        "README.md": "---\nlicense: mit\n---\n# The card\n\n![x](p.png)\n",
        "a.txt": SECRET,
        "p.png": SECRET,
        "config.json": f'{{"architectures": ["{SECRET}ForCausalLM"], "model_type": "x"}}',
        "rows.parquet": table.getvalue(),
        "rows.csv": f"{SECRET}\n{SECRET}\n",
        "notes/b.md": SECRET,
    }


@pytest.fixture(scope="module")
def hub():
    with LocalHub(seeded=False) as running:
        for name in WHO[1:]:
            running.add_user(name)
        for (name, how), kind in itertools.product(VISIBILITIES.items(), ("model", "dataset")):
            running.seed(f"ada/{name}", secret_files(), kind=kind, **how)
            with running.as_user("ada"):
                hf.create_commit(
                    f"ada/{name}", [hf.CommitOperationAdd("a.txt", SECRET.encode() * 2)], repo_type=kind,
                    commit_message="Change", create_pr=True,
                )  # fmt: skip
                if name == "gated":
                    hf.grant_access(f"ada/{name}", "admitted", repo_type=kind)
        yield running
        assert not running._service.crashes, running._service.crashes[0]


PATHS = [
    "",
    "/tree/main",
    "/tree/main/notes",
    "/blob/main/a.txt",
    "/blob/main/p.png",
    "/blob/main/rows.parquet",
    "/blob/main/rows.csv",
    "/blob/main/config.json",
    "/show/main/a.txt",
    "/show/main/p.png",
    "/show/main/rows.parquet",
    "/commits/main",
    "/commit/main",
    "/commit/refs%2Fpr%2F1",
    "/tree/refs%2Fpr%2F1",
    "/blob/refs%2Fpr%2F1/a.txt",
    "/show/refs%2Fpr%2F1/a.txt",
    "/refs",
    "/discussions",
    "/discussions/1",
]


@pytest.mark.parametrize("visibility", VISIBILITIES)
@pytest.mark.parametrize("who", WHO)
def test_pages_keep_what_they_must(hub, visibility, who):
    reads = visibility == "public" or who == "ada" or (visibility, who) == ("gated", "admitted")
    sees = visibility != "private" or who == "ada"
    for kind, path in itertools.product(("", "/datasets"), PATHS):
        page = look(hub, f"{kind}/ada/{visibility}{path}", who)
        assert (SECRET.encode() in page.body) <= reads, (kind, path)
        if not sees:
            assert page.status == (401 if who is None else 404), path
            assert b"The card" not in page.body and b"notes" not in page.body
        elif path.startswith("/show"):
            assert page.status == (200 if reads else 401 if who is None else 403), path
        else:
            assert page.status == 200, path
            assert (b"/show/" in page.body) <= reads, path
    for path in ("/", "/ada", "/models", "/models?search=ada", "/models?filter=license:mit", "/datasets"):
        assert (f"ada/{visibility}".encode() in look(hub, path, who).body) == sees


def test_who_may_read_does_see_it(hub):
    """The table above would hold for empty pages, too."""
    for path in (
        "/blob/main/a.txt",
        "/show/main/a.txt",
        "/commit/main",
        "/discussions/1",
        "/blob/main/rows.csv",
    ):
        assert SECRET in look(hub, f"/ada/gated{path}", "admitted").text, path
    assert "AutoModelForCausalLM" in look(hub, "/ada/gated", "admitted").text
    assert "AutoModelForCausalLM" not in look(hub, "/ada/gated", "bob").text
    assert SECRET in look(hub, "/datasets/ada/gated", "admitted").text
    assert 'src="/ada/gated/show/' in look(hub, "/ada/gated", "admitted").text


# Buttons


@pytest.fixture
def talk(hub):
    """The path of a fresh discussion of bob's at ada/public."""
    with hub.as_user("bob"):
        return f"/ada/public/discussions/{hf.create_discussion('ada/public', 'A question', description='Well?').num}"


def request_of(hub):
    """The path of a fresh pull request of bob's at ada/public."""
    with hub.as_user("bob"):
        made = hf.create_commit(
            "ada/public", [hf.CommitOperationAdd("b.txt", b"b")], commit_message="Add b", create_pr=True
        )
    return f"/ada/public/discussions/{made.pr_num}"


def press(hub, path, user, form=(), **headers):
    return look(hub, path, user, "POST", dict(form), **headers)


def test_a_comment(hub, talk):
    words = {"comment": "**Yes**\r\n<img src=x onerror=owned()>"}
    answer = press(hub, f"{talk}/comment", "ada", words)
    assert answer.status == 303 and answer.headers["Location"] == talk
    page = look(hub, talk).text
    assert "<strong>Yes</strong>" in page and "onerror" not in page
    assert press(hub, f"{talk}/comment", "ada", {"comment": "  "}).status == 400
    assert press(hub, f"{talk}/comment", "ada", {}).status == 400
    assert press(hub, f"{talk}/comment", "ada", {"comment": "x" * 70_000}).status == 400
    assert press(hub, f"{talk}/comment", "ada", {"comment": "x" * 2_000_000}).status == 413
    assert look(hub, talk).text.count('aria-label="Comment by') == 2


def test_merging(hub):
    path = request_of(hub)
    for who, status in ((None, 401), ("bob", 403), ("admitted", 403)):
        assert "/merge" not in look(hub, path, who).text
        assert press(hub, f"{path}/merge", who).status == status
    assert "b.txt" not in hub.repo("ada/public").files()
    assert f'action="{path}/merge"' in look(hub, path, "ada").text
    assert press(hub, f"{path}/merge", "ada").status == 303
    assert hub.repo("ada/public").text("b.txt") == "b"
    page = look(hub, path, "ada").text
    assert "merged this" in page and "/merge" not in page and "Open again" not in page
    assert press(hub, f"{path}/merge", "ada").status == 400


def test_a_clash_is_named_and_not_merged(hub):
    hub.seed("ada/clash", {"a.txt": "one\n"})
    with hub.as_user("bob"):
        hf.create_commit(
            "ada/clash", [hf.CommitOperationAdd("a.txt", b"two\n")], commit_message="Two", create_pr=True
        )
    hub.seed("ada/clash", {"a.txt": "three\n"})
    page = look(hub, "/ada/clash/discussions/1", "ada").text
    assert "Both sides have changed a.txt" in page and "/merge" not in page
    assert press(hub, "/ada/clash/discussions/1/merge", "ada").status in (409, 412)
    assert hub.repo("ada/clash").text("a.txt") == "three\n"


def test_closing_and_opening_again(hub, talk):
    assert press(hub, f"{talk}/status", "admitted", {"status": "closed"}).status == 403
    assert press(hub, f"{talk}/status", "bob", {"status": "closed"}).status == 303
    assert (
        "Open again" in look(hub, talk, "bob").text and "Open again" not in look(hub, talk, "admitted").text
    )
    assert press(hub, f"{talk}/status", "ada", {"status": "open"}).status == 303
    assert press(hub, f"{talk}/status", "ada", {"status": "merged"}).status == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": None},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Cookie": None},
        {"Cookie": "course_hub_1=x"},
    ],
)
def test_forms_of_other_pages_press_no_button(hub, talk, headers):
    path = request_of(hub)
    files = hub.repo("ada/public").files()
    before = look(hub, talk).text
    for button, form in (
        (f"{talk}/comment", {"comment": "x"}),
        (f"{talk}/status", {"status": "closed"}),
        (f"{path}/merge", {}),
        ("/ada/gated/ask", {}),
    ):
        assert press(hub, button, "ada", form, **headers).status in (401, 403)
    assert look(hub, talk).text == before and hub.repo("ada/public").files() == files
    assert hub.repo("ada/gated").access == {"admitted": "accepted"}


def test_the_own_name_counts_and_no_other_of_this_machine(hub, talk):
    """The browser keeps the cookie by name, so a form from "localhost" has none of "127.0.0.1"; it must not be taken either."""
    port = hub.url.rpartition(":")[2]
    assert (
        press(hub, f"{talk}/comment", "ada", {"comment": "x"}, Origin=f"http://localhost:{port}").status
        == 403
    )
    own = {"Origin": f"http://localhost:{port}", "Host": f"localhost:{port}"}
    assert press(hub, f"{talk}/comment", "ada", {"comment": "x"}, **own).status == 303


def test_buttons_of_a_repository_that_one_may_not_see(hub):
    for who, status in ((None, 401), ("bob", 404), ("admitted", 404)):
        for path in (
            "/ada/private/discussions/1/comment",
            "/ada/private/discussions/1/merge",
            "/ada/private/ask",
        ):
            assert press(hub, path, who, {"comment": "x"}).status == status, path
    assert press(hub, "/ada/gated/discussions/1/nothing", "ada").status == 404
    assert press(hub, "/ada/gated/discussions/99/comment", "ada", {"comment": "x"}).status == 404
    assert look(hub, "/ada/gated/discussions/1/merge", "ada").status == 405
    assert (
        press(hub, "/ada/gated/discussions/1/comment", "ada", {}, Content_Type="multipart/form-data").status
        == 400
    )

"""What the pages show: cards, rows, pictures, files with their last commit, diffs, and how to use a repository."""

import difflib
import io
import json
import random
import time

import huggingface_hub as hf
import pyarrow as pa
import pyarrow.parquet
import pytest

from course_utils.hub.server.pages import diffs, use
from course_utils.hub.server.pages.prose import prose
from course_utils.hub.store import conversations, last, lines
from course_utils.hub.store.last import last_commits
from tests.hub.server.pages import look

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da63f8cfc0f01f0005050201"
    "a5a6b1d30000000049454e44ae426082"
)


def parquet(table):
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(table), buffer)
    return buffer.getvalue()


def store_of(hub, identifier, kind="model"):
    return hub._store.find(kind, identifier)


# Cards


@pytest.fixture
def shown(hub):
    """The HTML of a text in the card of me/x, whose files are readable."""
    hub.seed("me/x", {"img/a b.png": PNG, "docs/x.md": "x", "docs/sub/y.md": "y"})
    repository = store_of(hub, "me/x")

    def show(text, may_read=True, **how):
        return str(prose(text, repository, repository.head(), may_read, **how))

    return show


def test_html_in_a_card_is_kept_as_far_as_it_is_harmless(shown):
    html = shown(
        '<p align="center"><b onclick="x()">Hi</b></p>\n\n<details><summary>More</summary>\n\n*inside*\n\n</details>'
    )
    assert '<p align="center"><b>Hi</b></p>' in html
    assert "<details><summary>More</summary>" in html and "<em>inside</em>" in html
    assert shown("<script>x()</script>a[b](javascript:x())") == "a<a>b</a>" or "x()" not in html


def test_pictures_come_from_the_repository_itself(shown, hub):
    commit = store_of(hub, "me/x").head()
    here = f'src="/me/x/show/{commit}/img/a%20b.png"'
    assert here in shown("![a](<img/a b.png>)")
    assert here in shown("<img src='./docs/../img/a%20b.png'>")
    assert here in shown("![a](https://huggingface.co/me/x/resolve/main/img/a%20b.png)")
    assert here in shown(f"![a]({hub.url}/me/x/blob/main/img/a%20b.png)")
    for elsewhere in (
        "https://example.org/a.png",
        "//example.org/a.png",
        "/me/other/show/main/a.png",
        "https://huggingface.co/me/other/resolve/main/a.png",
        "https://example.org/me/x/resolve/main/img/a.png",
        "../../me/other/show/main/a.png",
        "\\\\example.org\\a.png",
        "data:image/png;base64,AAAA",
        "docs/x.md",
        "/?key=a.png",
    ):
        html = shown(f"<img src='{elsewhere}' alt='what it shows'>")
        assert "<img" not in html and "[what it shows]" in html, elsewhere
    assert "<img" not in shown("![a](<img/a b.png>)", may_read=False)


def test_links_lead_to_the_pages_of_files(shown):
    assert 'href="/me/x/blob/main/docs/x.md"' in shown("[a](docs/x.md)")
    assert 'href="/me/x/tree/main/docs/sub"' in shown("[a](./docs/sub/)")
    assert 'href="/datasets/me/y"' in shown("[a](/datasets/me/y?key=x)")
    assert 'href="https://example.org/?a=b&amp;c=d"' in shown("[a](https://example.org/?a=b&c=d)")
    assert 'id="user-content-how-to-use"' in shown("# How to *use*?")
    assert 'href="#user-content-how-to-use"' in shown("[a](#how-to-use)")
    assert "href" not in shown("[a](../../../etc/passwd) [b](//example.org)")


def test_a_table_scrolls_in_a_box_of_its_own(shown):
    html = shown("| a | b |\n|--:|:-:|\n| 1 | 2 |\n\n`<table>`\n\n<table><tr><td>x")
    assert html.count('<div class="wide"><table>') == html.count("</table></div>") == 2
    assert '<td align="right">1</td>' in html and "&lt;table&gt;" in html


def test_a_comment_keeps_its_line_ends(shown):
    assert "<br>" in shown("a\nb", wrap=True) and "<br>" not in shown("a\nb")


@pytest.mark.parametrize(
    "text",
    ["[" * 50_000, "> " * 30_000, "- " * 30_000 + "x", "*a" * 30_000, "<div>" * 30_000, "`" * 50_000, "![" * 30_000,
     "|a" * 10_000 + "\n" + "|-" * 10_000, "[^1]" * 20_000, "\\" * 50_000, "a" * 300_000, "<a href=" * 10_000, "http://" * 20_000],
    ids=lambda text: text[:6],
)  # fmt: skip
def test_a_card_that_is_made_to_take_long(shown, text):
    begun = time.process_time()
    assert shown(text)
    assert time.process_time() - begun < 30


# New repositories


def test_a_dataset_without_a_card_shows_its_rows_and_how_to_write_one(hub):
    table = {"id": list(range(100)), "text": [f"row <{k}>" for k in range(100)], "tags": [["a"]] * 100}
    hub.seed("me/talks", {"data/test.parquet": b"no", "data/train.parquet": parquet(table)}, kind="dataset")
    page = look(hub, "/datasets/me/talks").text
    assert "The first 5 rows of 100 of" in page and "data/train.parquet" in page
    assert "row &lt;4&gt;" in page and "row &lt;5&gt;" not in page and "[&#34;a&#34;]" in page
    assert "hf upload me/talks README.md --repo-type dataset" in page


@pytest.mark.parametrize(
    ("name", "data", "cells"),
    [
        ("a.jsonl", '{"a": 1, "b": null}\n{"a": {"c": 2}}\n', ["a", "b", "1", "–", "{&#34;c&#34;: 2}"]),
        ("a.json", '[{"a": "x"}, {"a": "y"}]', ["a", "x", "y", "rows of 2"]),
        ("a.csv", 'a,b\n"x, y",2\n', ["a", "b", "x, y", "2"]),
        ("a.tsv", "a\tb\nx\ty\n", ["a", "b", "x", "y"]),
        ("a.csv", "a\n" + "x\n" * 300_000, ["a", "x", "first 5 rows of"]),
    ],
)
def test_rows_of_text_files(hub, name, data, cells):
    hub.seed("me/rows", {name: data}, kind="dataset")
    for path in ("/datasets/me/rows", f"/datasets/me/rows/blob/main/{name}"):
        page = look(hub, path).text
        assert "first-rows" in page and all(each in page for each in cells), path


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.parquet", b"PAR1 but no more PAR1"),
        ("a.parquet", b""),
        ("a.parquet", random.Random(0).randbytes(1000)),
        ("a.parquet", parquet({"a": pa.array([2**62], pa.timestamp("us"))})),
        ("a.parquet", parquet({})),
        ("a.parquet", parquet({"a": []})),
        ("a.jsonl", "[" * 100_000),
        ("a.jsonl", "1\n2\n"),
        ("a.json", "[1, 2]"),
        ("a.json", b"\xff\xfe"),
        ("a.csv", b"\xff\xfe\0"),
        ("a.csv", "a" * 200_000 + ',"' + "b" * 200_000),
        ("a.csv", ""),
        ("a.csv", "a,b\n"),
        ("dataset_infos.json", '{"a": 1}'),
    ],
)
def test_what_is_no_table_shows_none(hub, name, data):
    hub.seed("me/rows", {name: data}, kind="dataset")
    page = look(hub, "/datasets/me/rows")
    assert page.status == 200 and "first-rows" not in page.text


def test_every_broken_parquet_file_is_only_not_shown(hub):
    whole, chance = parquet({"a": list(range(50)), "b": ["x"] * 50}), random.Random(0)
    for turn in range(30):
        data = bytearray(whole)
        for _ in range(1 + turn % 5):
            data[chance.randrange(len(data))] = chance.randrange(256)
        hub.seed("me/rows", {"a.parquet": bytes(data)}, kind="dataset")
        assert look(hub, "/datasets/me/rows").status == 200


def test_an_empty_space_says_which_file_it_lacks(hub):
    hf.create_repo("demo", repo_type="space", space_sdk="gradio")
    assert "has no app.py yet" in look(hub, "/spaces/me/demo", "me").text
    hub.seed("me/demo", {"app.py": "x = 1\n"}, kind="space")
    assert "has no app.py" not in look(hub, "/spaces/me/demo", "me").text
    hf.create_repo("box", repo_type="space", space_sdk="docker")
    hub.seed("me/box", {"README.md": "---\nsdk: docker\n---\n"}, kind="space")
    assert "has no Dockerfile yet" in look(hub, "/spaces/me/box", "me").text


def test_an_empty_model_and_an_empty_dataset_say_what_brings_something(hub):
    hf.create_repo("empty")
    hf.create_repo("empty", repo_type="dataset")
    assert "model.push_to_hub(&#34;me/empty&#34;)" in look(hub, "/me/empty").text
    assert ".push_to_hub(&#34;me/empty&#34;)" in look(hub, "/datasets/me/empty").text


# Use it


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        ({"README.md": "---\npipeline_tag: summarization\n---\n"}, ["AutoModelForSeq2SeqLM.from_pretrained", "AutoTokenizer"]),
        ({"README.md": "---\npipeline_tag: text-classification\n---\n"}, ["AutoModelForSequenceClassification"]),
        ({"config.json": '{"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"}',
          "README.md": "---\npipeline_tag: summarization\n---\n"}, ["AutoModelForCausalLM"]),
        ({"config.json": '{"architectures": ["BertModel"], "model_type": "bert"}'}, ["AutoModel.from_pretrained"]),
        ({"adapter_config.json": '{"task_type": "SEQ_2_SEQ_LM"}'}, ["from peft import AutoPeftModelForSeq2SeqLM"]),
        ({"README.md": "---\nlibrary_name: peft\n---\n"}, ["AutoPeftModel.from_pretrained"]),
        ({"README.md": "---\nlibrary_name: sklearn\npipeline_tag: text-classification\n---\n"}, ["snapshot_download"]),
        ({"README.md": "---\npipeline_tag: [summarization]\n---\n", "config.json": "[]"}, ["snapshot_download"]),
        ({"a.txt": "a"}, ["snapshot_download"]),
    ],
)  # fmt: skip
def test_the_class_that_fits(hub, files, lines):
    hub.seed("me/model", files)
    page = look(hub, "/me/model").text
    assert all(line in page for line in lines)


@pytest.mark.slow
def test_the_classes_exist():
    import peft
    import transformers

    assert {*use.AUTO_CLASSES.values(), *use.ARCHITECTURES.values()} <= set(dir(transformers))
    assert set(use.ADAPTER_CLASSES.values()) <= set(dir(peft))
    assert set(use.ADAPTER_CLASSES) == {each.value for each in peft.TaskType}


def test_datasets_with_parts_and_metrics(course_hub):
    course_hub.seed(
        "me/parts",
        {"README.md": "---\nconfigs:\n- config_name: en\n  data_files: a.csv\n---\n"},
        kind="dataset",
    )
    assert "load_dataset(&#34;me/parts&#34;, &#34;en&#34;)" in look(course_hub, "/datasets/me/parts").text
    metric = look(course_hub, "/spaces/evaluate-metric/rouge").text
    assert "evaluate.load(&#34;rouge&#34;)" in metric and "has no" not in metric


# Files


def test_the_list_of_files_says_who_changed_what_last(hub):
    hub.seed("me/x", {"a.txt": "1", "b/c.txt": "1"}, message="First words")
    hub.seed("me/x", {"a.txt": "2"}, message="Second words")
    page = look(hub, "/me/x/tree/main").text
    row = {name: page.partition(f">{name}</a>")[2].partition("</tr>")[0] for name in ("a.txt", "b/")}
    assert "Second words" in row["a.txt"] and "First words" in row["b/"]
    assert "<time title=" in row["a.txt"]
    assert "First words" in look(hub, "/me/x/tree/main/b").text


def test_last_commits_as_a_plain_search_finds_them(hub):
    """Against the definition: the newest commit, along first parents, in which an entry differs from the one before."""
    chance = random.Random(1)
    hub.seed("me/x", {"a": "0"})
    for turn in range(25):
        names = chance.sample(["a", "b", "d/e", "d/f", "g/h/i"], chance.randint(1, 3))
        hub.seed("me/x", dict.fromkeys(names, f"{turn}"), message=f"Turn {turn}")
    hf.delete_file("b", repo_id="me/x") if "b" in hub.repo("me/x").files() else None
    history, head = store_of(hub, "me/x").history, store_of(hub, "me/x").head()
    line = list(history.commits(head))
    for folder in ("", "d", "g"):
        names = history.tree(history.entry(head, folder).oid)
        paths = [f"{folder}/{name}".strip("/") for name in names]
        found = last_commits(history, head, paths)
        assert list(found) and found.keys() == set(paths)
        for path in paths:
            ids = [entry.oid if (entry := history.entry(each.id, path)) else None for each in line] + [None]
            first = next(place for place in range(len(line)) if ids[place] != ids[place + 1])
            assert found[path].id == line[first].id
    assert last_commits(history, head, ["nowhere", "nowhere/a", "a/b"]) == {}
    api = {each.path: each for each in hf.list_repo_tree("me/x", expand=True, recursive=True)}
    told = last_commits(history, head, api)
    assert {path: each.last_commit.oid for path, each in api.items()} == {
        path: commit.id for path, commit in told.items()
    }


def test_looking_for_last_commits_has_an_end(hub, monkeypatch):
    """Counted, not timed: many paths, each in a folder of its own, over many commits."""
    count = 30
    hub.seed("me/x", {f"d{number}/f": "same" for number in range(count)} | {"z": "0"}, message="First")
    for turn in range(10):
        hub.seed("me/x", {"z": str(turn)}, message=f"Turn {turn}")
    history, head = store_of(hub, "me/x").history, store_of(hub, "me/x").head()
    asked, entry = [], history.entry
    monkeypatch.setattr(history, "entry", lambda *place: asked.append(place) or entry(*place))
    paths = [f"d{number}/f" for number in range(count)]
    assert {each.title for each in last_commits(history, head, paths).values()} == {"First"}
    assert len(asked) == count * 12  # once for now, and once for each of eleven commits
    asked.clear()
    monkeypatch.setattr(last, "MOST_FOLDERS", 3 * count)
    assert last_commits(history, head, paths) == {} and len(asked) == count * 4
    asked.clear()
    monkeypatch.setattr(last, "MOST_COMMITS", 1)
    assert last_commits(history, head, paths) == {} and len(asked) == count * 2
    assert [each.last_commit for each in hf.get_paths_info("me/x", paths, expand=True)] == [None] * count


def test_pictures_are_shown_and_drawings_never_as_a_page(hub):
    hub.seed(
        "me/x",
        {
            "a.png": PNG,
            "a.svg": "<svg xmlns='http://www.w3.org/2000/svg'><script>x()</script></svg>",
            "a.html": "<b>",
        },
    )
    assert '<img src="/me/x/show/main/a.png"' in look(hub, "/me/x/blob/main/a.png").text
    png, svg, html = (look(hub, f"/me/x/show/main/a.{kind}") for kind in ("png", "svg", "html"))
    assert png.headers["Content-Type"] == "image/png" and png.body == PNG
    assert svg.headers["Content-Disposition"].startswith("attachment")
    assert html.headers["Content-Type"] == "application/octet-stream"
    for each in (png, svg, html):
        assert "sandbox" in each.headers["Content-Security-Policy"]
        assert each.headers["X-Content-Type-Options"] == "nosniff"


# Diffs


def test_a_pull_request_shows_its_changes_as_a_commit_does(hub):
    hub.seed("me/x", {"a.txt": "one\ntwo\n", "old.txt": "x\n"})
    changes = [
        hf.CommitOperationAdd("a.txt", b"one\n<b>\n"),
        hf.CommitOperationAdd("new.bin", b"\0\1"),
        hf.CommitOperationDelete("old.txt"),
    ]
    number = hf.create_commit("me/x", changes, commit_message="Better", create_pr=True).pr_num
    page = look(hub, f"/me/x/discussions/{number}").text
    assert '<span class="deleted">- two</span><span class="added">+ &lt;b&gt;</span>' in page
    assert 'old.txt <span class="chip deleted">' in page and 'new.bin <span class="chip added">' in page


def steps_of_comparing(monkeypatch):
    """A list that gets the steps of each look for lines that are alike."""
    spent, plain = [], difflib.SequenceMatcher.find_longest_match

    def counted(self, alo, ahi, blo, bhi):
        spent.append(sum(1 + len(self.b2j.get(self.a[each], ())) for each in range(alo, ahi)))
        return plain(self, alo, ahi, blo, bhi)

    monkeypatch.setattr(difflib.SequenceMatcher, "find_longest_match", counted)
    return spent


def test_a_change_of_very_many_lines_is_shown_and_not_compared_to_its_end(hub, monkeypatch):
    for turn in range(2):
        chance = random.Random(turn)
        hub.seed("me/x", {"a.txt": "".join(f"{chance.randrange(150)}\n" for _ in range(50_000))})
    spent = steps_of_comparing(monkeypatch)
    page = look(hub, "/me/x/commit/main").text
    assert "its change is not shown" not in page and "@@ -1,50000 +1,50000 @@" in page
    assert sum(spent) <= lines.STEPS


def test_a_pull_request_made_to_be_dear_is_shown_all_the_same(hub, monkeypatch):
    """Counted: all its files and its page share one effort each, whatever the texts are."""
    old = "".join(f"{each % 50}\n" for each in range(20_000))
    new = "".join(f"{each * 7 % 50}\n" for each in range(20_000))
    hub.seed("me/x", {f"{name}.txt": old for name in "abc"} | {"d.txt": "one\ntwo\n"})
    changes = [hf.CommitOperationAdd(f"{name}.txt", new.encode()) for name in "abc"] + [
        hf.CommitOperationAdd("d.txt", b"one\nthree\n")
    ]
    number = hf.create_commit("me/x", changes, commit_message="Dear", create_pr=True).pr_num
    spent = steps_of_comparing(monkeypatch)
    said = hf.get_discussion_details("me/x", number).diff
    assert sum(spent) <= lines.STEPS and said.startswith("diff --git a/a.txt b/a.txt\n--- a/a.txt\n")
    spent.clear()
    assert "a.txt" in look(hub, f"/me/x/discussions/{number}").text
    commit = hub.repo("me/x").head(f"refs/pr/{number}")
    assert "b.txt" in look(hub, f"/me/x/commit/{commit}").text
    assert sum(spent) <= 2 * lines.STEPS


def test_the_diff_of_a_pull_request_is_read_up_to_a_bound(hub, monkeypatch):
    hub.seed("me/x", {f"{name}.txt": "one\n" for name in "abc"})
    changes = [hf.CommitOperationAdd(f"{name}.txt", b"two\n") for name in "abc"]
    number = hf.create_commit("me/x", changes, commit_message="Three files", create_pr=True).pr_num
    monkeypatch.setattr(conversations, "READ_BYTES", 8)
    said = hf.get_discussion_details("me/x", number).diff
    assert said.count("diff --git") == 2 and said.endswith("+two\nThe rest is not shown.\n")


def test_a_diff_as_text_is_read_as_git_writes_it():
    text = (
        "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-diff --git a/y b/y\n+@@ b\n\\ No newline\n"
        "diff --git a/n b/n\nnew file mode 100644\nBinary files differ\n"
        "diff --git a/d b/d\ndeleted file mode 100644\n--- a/d\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"
    )
    first, second, third = diffs.of_text(text)
    assert (first.path, first.what) == ("x", "changed")
    assert first.lines[1:3] == (("deleted", "-", "diff --git a/y b/y"), ("added", "+", "@@ b"))
    assert (second.path, second.what, second.lines) == ("n", "added", None)
    assert (third.what, third.lines[-1]) == ("deleted", ("deleted", "-", "x"))
    assert diffs.of_text("") == []


def test_half_a_character_is_refused_and_breaks_no_page(hub):
    hub.seed("me/x", {"a.txt": "a"})
    for title, status in (("half \ud800 a title", 400), ("a whole \U0001f600", 200)):
        body = json.dumps({"title": title, "description": "&#xD800; \U0001f600"})
        answer = hf.utils.get_session().post(
            f"{hub.url}/api/models/me/x/discussions", content=body, headers=hf.utils.build_hf_headers()
        )
        assert answer.status_code == status
    assert "\U0001f600" in look(hub, "/me/x/discussions").text
    assert "\ufffd \U0001f600" in look(hub, "/me/x/discussions/1").text

"""What goes into the site, and where its links lead."""

import json
import re

import pytest

from course_utils.chapters.chapter import chapters
from course_utils.site import origin, pages
from tests.site import built


@pytest.fixture(scope="module")
def made():
    return pages.pages(origin=built.ORIGIN)


def test_every_lesson_and_every_exercise_is_a_page(root, made):
    notebooks = [*root.glob("lessons/**/*.ipynb"), *root.glob("exercises/*/*.ipynb")]
    assert {path.relative_to(root).as_posix() for path in notebooks} <= made.keys()


def test_every_page_has_its_place(made):
    """Every page is named by a list of pages, in the order of the chapters."""
    lists = "\n".join(text for name, text in made.items() if name.endswith(".md"))
    for chapter in chapters():
        page = made[f"lessons/{chapter.name}/index.md"]
        names = [lesson.file.removesuffix(".ipynb") for lesson in chapter.lessons]
        if chapter.has_exercise:
            names.append(f"/exercises/{chapter.name}/{chapter.name}")
        assert "\n".join([*names, "```"]) in page
        assert f"lessons/{chapter.name}/index\n" in made["index.md"]
    for name in ("glossary", "phenomena", "models/index", "guide", "grading", "hub", "flan-t5"):
        assert f"\n{name}\n" in lists, name


def test_outputs_stay_and_notes_go(root, made):
    name = "lessons/06_full_fine_tuning/01_meet_flan_t5.ipynb"
    before, after = json.loads((root / name).read_text())["cells"], json.loads(made[name])["cells"]
    kept = [cell for cell in before if "instructor" not in cell["metadata"].get("tags", [])]
    assert len(kept) < len(before)
    assert [cell["id"] for cell in kept] == [cell["id"] for cell in after]
    assert [shown(cell) for cell in kept] == [shown(cell) for cell in after]
    assert any(cell.get("outputs") for cell in after)


def shown(cell):
    return [("".join(each.get("text", "")), each.get("data")) for each in cell.get("outputs", [])]


def test_a_picture_has_words(site):
    page = (site.folder / f"lessons/{built.CHAPTERS[0]}/02_settings_of_lora.html").read_text()
    alternatives = re.findall(r'<img alt="([^"]*)"', page)
    assert alternatives and all(re.match("picture: .{5,}", each) for each in alternatives)


@pytest.mark.parametrize(
    ("output", "blank"),
    [
        ({"output_type": "display_data", "data": {"text/plain": []}}, True),
        ({"output_type": "stream", "text": [" \n"]}, True),
        ({"output_type": "stream", "text": ["words\n"]}, False),
        ({"output_type": "display_data", "data": {"image/png": "AAAA", "text/plain": []}}, False),
        ({"output_type": "error", "ename": "ValueError"}, False),
    ],
)
def test_what_shows_nothing_is_left_out(output, blank):
    assert pages._is_blank(output) is blank


def test_one_chapter_alone_has_no_other(made):
    alone = pages.pages(only=built.CHAPTERS)
    assert {name.split("/")[1] for name in alone if name.startswith("exercises/")} == set(built.CHAPTERS)
    assert alone.keys() < made.keys()


def test_a_folder_without_lessons_is_refused(tmp_path):
    (tmp_path / "lessons").mkdir()
    with pytest.raises(pages.SiteError, match="in a clone of the workbook"):
        pages.pages(tmp_path)


# Badges


def test_every_lesson_and_exercise_has_badges(made):
    for name, text in made.items():
        if name.endswith(".ipynb") and name != pages.INDEX:
            first = next(cell for cell in json.loads(text)["cells"] if "class=" in "".join(cell["source"]))
            title, badges = first["source"].split("\n\n")[:2]
            assert title.startswith("# ")
            path = f"somebody/workbook/blob/main/{name}"
            assert f'href="https://colab.research.google.com/github/{path}"' in badges
            assert f'href="https://www.kaggle.com/kernels/welcome?src=https://github.com/{path}"' in badges
            assert "<img" not in badges


def test_without_an_address_there_are_no_badges():
    assert not any('class="badge"' in text for text in map(str, pages.pages(only=built.CHAPTERS).values()))


# Links


@pytest.fixture
def links(tmp_path):
    for file in (
        "README.md",
        "lessons/a/1.ipynb",
        "lessons/b/2.ipynb",
        "solutions/README.md",
        "LICENSE",
        "course_utils/x.py",
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    places = {
        "README.md": "index.md",
        "README.md#figures": "figures.md",
        "solutions/README.md": "guide.md",
        "lessons/a/1.ipynb": "lessons/a/1.ipynb",
        "lessons/b/2.ipynb": "lessons/b/2.ipynb",
    }
    return pages.Links(tmp_path, places, built.ORIGIN)


SOURCES = "https://github.com/somebody/workbook/blob/main"


@pytest.mark.parametrize(
    ("target", "leads"),
    [
        ("../b/2.ipynb", "../b/2.ipynb"),
        ("../b/2.ipynb#why", "../b/2.ipynb#why"),
        ("../../README.md", "../../index.md"),
        ("../../README.md#figures", "../../figures.md"),
        ("../../README.md#the-house", f"{SOURCES}/README.md#the-house"),
        ("../../solutions/README.md#costs", "../../guide.md#costs"),
        ("../../LICENSE", f"{SOURCES}/LICENSE"),
        ("../../course_utils", f"{SOURCES.replace('blob', 'tree')}/course_utils"),
        ("https://example.org/a", "https://example.org/a"),
        ("#here", "#here"),
    ],
)
def test_a_link_leads_to_the_page_or_to_the_source(links, target, leads):
    said = links.rewrite(f"see [that page]({target}).", "lessons/a/1.ipynb", "lessons/a/1.ipynb")
    assert said == f"see [that page]({leads})."


def test_a_link_of_a_page_that_moved_leads_on(links):
    assert (
        links.rewrite("[a](../lessons/a/1.ipynb)", "solutions/README.md", "guide.md")
        == "[a](lessons/a/1.ipynb)"
    )


def test_without_a_repository_the_words_stay(links):
    here = pages.Links(links.root, links.places, None)
    assert here.rewrite("the [licence](LICENSE), [a](lessons/a/1.ipynb)", "README.md", "index.md") == (
        "the licence, [a](lessons/a/1.ipynb)"
    )


def test_code_is_no_link(links):
    text = "`[a](nowhere)` and\n\n```\n[b](nowhere)\n```\n``c ` [d](nowhere)``"
    assert links.rewrite(text, "README.md", "index.md") == text


def test_a_broken_link_is_named(links):
    with pytest.raises(pages.SiteError, match=r"solutions/README\.md has a link to gone\.md"):
        links.rewrite("[x](gone.md)", "solutions/README.md", "guide.md")


# The repository


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/somebody/workbook",
        "https://github.com/somebody/workbook.git",
        "https://secret-token@github.com/somebody/workbook.git",
        "git@github.com:somebody/workbook.git",
        "ssh://git@github.com/somebody/workbook",
        "github.com/somebody/workbook/",
    ],
)
def test_an_address_on_github_is_read(address):
    assert origin.parse(address) == built.ORIGIN


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/srv/workbook.git",
        "https://gitlab.com/a/b",
        "https://github.com/a",
        "https://github.com.evil.org/a/b",
    ],
)
def test_other_addresses_are_none(address):
    assert origin.parse(address) is None


def git(folder, *arguments):
    assert origin._git(folder, *arguments) is not None


def test_the_repository_is_where_the_clone_came_from(tmp_path):
    assert origin.find(tmp_path) is None
    git(tmp_path, "init", "-b", "work")
    assert origin.find(tmp_path) is None
    git(tmp_path, "remote", "add", "origin", "git@github.com:somebody/workbook.git")
    assert origin.find(tmp_path) == origin.Origin("somebody/workbook", "work")
    git(tmp_path, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    assert origin.find(tmp_path).branch == "trunk"
    (tmp_path / "inside").mkdir()
    assert origin.find(tmp_path / "inside") is None


def test_a_branch_is_quoted():
    there = origin.Origin("a/b", "what is#new")
    assert there.source("x y.ipynb") == "https://github.com/a/b/blob/what%20is%23new/x%20y.ipynb"


# Parts of documents


def test_a_section_that_is_gone_is_named():
    with pytest.raises(pages.SiteError, match="no section “Costs”"):
        pages._section({"": "x"}, "README.md", "Costs")


def test_a_card_loses_its_front_matter():
    assert pages.without_front_matter("---\na: b\n---\n# Card\n\n---\n") == "# Card\n\n---\n"

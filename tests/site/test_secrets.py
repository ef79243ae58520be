"""No solution, no instructor's note and no hint is on the site; the search index and every other file included."""

import html
import json
import re

import pytest

from course_utils.site import build, pages
from tests.site import built, secret


@pytest.fixture(scope="module")
def public(root):
    return secret.public_text(root)


@pytest.fixture(scope="module")
def wanted(root, sources, public):
    """Words by which a solution would be found in the search index."""
    return secret.secret_words(sources, public + secret.printed_text(root))


@pytest.fixture(scope="module")
def sources(root):
    return secret.secrets(root)


@pytest.fixture(scope="module")
def lines(sources, public):
    return secret.distinctive(sources, public)


def test_everything_that_is_secret_is_looked_for(root, lines):
    """Every solution, every hint and every note has something of its own, by which it would be found."""
    assert {where for where, parts in lines.items() if not parts} == secret.AS_IN_A_LESSON
    for name in (path.stem for path in root.glob("solutions/*/*.ipynb")):
        kinds = [where.split()[-2:] for where in lines if where.startswith(name)]
        assert sum(each[-1].endswith("-answer") for each in kinds) >= 5
        assert sum("hint" in each for each in kinds) >= 15


def test_no_page_holds_a_secret(lines):
    texts = {name: secret.page_text(name, text) for name, text in pages.pages(origin=built.ORIGIN).items()}
    assert secret.leaks(texts, lines) == []


def test_no_built_file_holds_a_secret(site, lines):
    assert secret.leaks(secret.built_text(site.folder), lines) == []


def test_the_search_index_holds_no_word_of_a_solution(site, wanted):
    assert len(wanted) > 50
    assert secret.leaked_words(secret.index_terms(site.folder), wanted) == []


def test_no_notebook_or_source_is_copied(site):
    kinds = {path.suffix for path in site.folder.rglob("*") if path.is_file()}
    assert kinds <= {".html", ".css", ".js", ".map", ".png", ".svg", ".inv", ".LICENSE", ".txt", ""}
    assert not list((site.folder / "_sources").rglob("*.*"))


def test_a_section_of_the_guide_that_is_not_listed_stays_away(root, site):
    by_hand = pages.sections((root / pages.GUIDE).read_text())["Marking by hand"]
    texts = secret.built_text(site.folder)
    assert secret.leaks(texts, secret.distinctive({"guide": by_hand}, "")) == []
    assert "the day before" in texts["guide.html"]


# What looks for secrets can find them.


def test_a_note_that_stays_in_a_page_is_found(lines, monkeypatch):
    monkeypatch.setattr(pages, "INSTRUCTOR_TAG", "somebody else")
    texts = {name: secret.page_text(name, text) for name, text in pages.pages(only=built.CHAPTERS).items()}
    assert len(secret.leaks(texts, lines)) > 10


@pytest.mark.parametrize("kind", ["solution", "note", "hint"])
def test_a_planted_secret_is_found_on_a_page(tmp_path, lines, sources, kind):
    """Each as highlighted code: a span around every word."""
    where = {
        "solution": "06_full_fine_tuning q2-answer",
        "hint": "06_full_fine_tuning q2 hint 3",
        "note": "06_full_fine_tuning q6-note",
    }[kind]
    spans = "".join(f"<span>{html.escape(part)}</span>" for part in re.split(r"(\w+)", sources[where]))
    (tmp_path / "planted.html").write_text(f"<html><pre>{spans}</pre></html>")
    assert len(secret.leaks(secret.built_text(tmp_path), {where: lines[where]})) == len(lines[where]) > 0


@pytest.mark.slow
@pytest.mark.exhaustive
def test_the_whole_site_holds_no_secret(whole_site, lines, wanted):
    assert secret.leaks(secret.built_text(whole_site.folder), lines) == []
    assert secret.leaked_words(secret.index_terms(whole_site.folder), wanted) == []


@pytest.mark.slow
@pytest.mark.exhaustive
def test_a_solution_that_was_built_in_is_found(root, tmp_path, monkeypatch, lines, wanted):
    """With a solution's notebook where the released one should be, page and search index tell."""
    texts = {path.stem: secret.words(path.read_text()) for path in root.glob("solutions/*/*.ipynb")}
    name = max(texts, key=lambda name: sum(f" {word}" in texts[name] for word in wanted))
    made = pages.pages(only=[name])
    solution = (root / f"solutions/{name}/{name}.ipynb").read_text()
    released = f"exercises/{name}/{name}.ipynb"
    links = pages.Links(root, pages.DOCUMENTS | {page: page for page in made}, None)
    notebook = json.loads(solution)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = links.rewrite("".join(cell["source"]), released, released)
    monkeypatch.setattr(build, "pages", lambda *_: made | {released: json.dumps(notebook)})
    site = build.build(tmp_path / "site")
    found = secret.leaks(secret.built_text(site.folder), lines)
    assert {each.partition(":")[0] for each in found} >= {released.replace(".ipynb", ".html")}
    assert len(found) > 50
    assert secret.leaked_words(secret.index_terms(site.folder), wanted)

"""How the site is made: whole or not at all, and with a word on what is missing."""

import re
import shutil
import sys

import pytest

from course_utils import cli
from course_utils.site import build, pages
from course_utils.site.conf import mathml
from tests.site import built


@pytest.fixture
def quick(monkeypatch):
    """A build in which Sphinx copies the pages; what it is given can be changed."""
    made = {"index.html": "<html><body>new</body></html>"}

    def copy(source, out, kept):
        shutil.copytree(source, out)
        (out / build.MARK).touch()

    monkeypatch.setattr(build, "pages", lambda *_: made)
    monkeypatch.setattr(build, "run_sphinx", copy)
    return made


def content(place):
    return (place / "index.html").read_text()


def test_a_site_takes_the_place_of_an_older_one(tmp_path, quick):
    place = tmp_path / "deep" / "site"
    build.build(place)
    quick["index.html"] = "<html><body>newer</body></html>"
    site = build.build(place)
    assert "newer" in content(place)
    assert list(site.pages) == [place / "index.html"]
    assert [path.name for path in place.parent.iterdir()] == ["site"], "nothing is left beside it"


@pytest.mark.parametrize("fault", ["a broken link", "Sphinx fails", "interrupted", "no page"])
def test_what_was_there_stays(tmp_path, quick, monkeypatch, fault):
    place = tmp_path / "site"
    build.build(place)

    def stop(*_):
        raise KeyboardInterrupt if fault == "interrupted" else pages.SiteError("a warning")

    if fault == "a broken link":
        quick["index.html"] = '<html><body>newer <a href="gone.html">x</a></body></html>'
    else:
        monkeypatch.setattr(build, "pages" if fault == "no page" else "run_sphinx", stop)
    with pytest.raises((pages.SiteError, KeyboardInterrupt)):
        build.build(place)
    assert "new<" in content(place)
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_move_that_fails_is_taken_back(tmp_path):
    place, old = tmp_path / "site", tmp_path / "old"
    place.mkdir()
    (place / "index.html").write_text("old")
    with pytest.raises(OSError, match="missing"):
        build.put_in_place(tmp_path / "missing", place, old)
    assert content(place) == "old"


def test_a_folder_of_somebody_is_never_replaced(tmp_path, quick, capsys):
    (tmp_path / "thesis.md").write_text("mine")
    assert build.main([str(tmp_path)]) == 1
    assert "holds something else than a site" in capsys.readouterr().err
    assert (tmp_path / "thesis.md").read_text() == "mine"
    assert build.main([str(tmp_path / "thesis.md")]) == 1


def test_missing_packages_are_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "myst_nb", None)
    monkeypatch.setattr(build, "find_spec", lambda name: None if name == "myst_nb" else object())
    assert cli.main(["site", str(tmp_path / "site")]) == 1
    said = capsys.readouterr().err
    assert "not installed (myst_nb)" in said and "-e '.[site]'" in said
    assert not (tmp_path / "site").exists()


def test_an_address_elsewhere_is_refused(tmp_path, capsys):
    assert build.main([str(tmp_path / "site"), "--repository", "https://example.org/a/b"]) == 1
    assert "not a repository on GitHub" in capsys.readouterr().err


def test_the_command_says_what_it_made(tmp_path, quick, capsys):
    assert cli.main(["site", str(tmp_path / "site"), "--repository", "github.com/a/b"]) == 0
    assert f"1 pages; open {tmp_path / 'site' / 'index.html'}" in capsys.readouterr().out


@pytest.mark.exhaustive
def test_a_warning_of_sphinx_ends_it(tmp_path, monkeypatch):
    """A page that no list names: Sphinx warns, and there is no site."""
    monkeypatch.setattr(build, "pages", lambda *_: {"index.md": "# a\n", "lost.md": "# b\n"})
    with pytest.raises(pages.SiteError, match=r"lost\.md.*toctree"):
        build.build(tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_a_formula_is_mathml(site):
    page = (site.folder / f"lessons/{built.CHAPTERS[0]}/01_lora_by_hand.html").read_text()
    assert page.count("<math") > 10 and "<mfrac>" in page
    assert "mathjax" not in " ".join(site.pages[site.folder / "index.html"].loads).lower()
    assert "$$" not in page


@pytest.mark.parametrize(
    ("formula", "found"),
    [
        (r"\sigma\big(c\big)", ">(</mo>"),
        (r"\Bigg[x\Bigg]", ">[</mo>"),
        (r"\log p", "<mi>log</mi>"),
        (
            r"\underbrace{a}_{\text{why}}",
            "<munder><munder><mi>a</mi><mo>⏟</mo></munder><mtext>why</mtext></munder>",
        ),
    ],
)
def test_formulas_that_docutils_does_not_know(formula, found):
    made = re.sub(r">\s+<", "><", mathml(formula, block=True))
    assert found in made and made.startswith(
        '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">'
    )


def test_what_git_does_not_keep(root):
    assert build.PLACE.relative_to(root).as_posix() == "build/site"
    assert "build/" in (root / ".gitignore").read_text().splitlines()

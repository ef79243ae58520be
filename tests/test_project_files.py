"""The files that say what this project is, which version, and how to work on it: they agree with each other."""

import re
import tomllib
from datetime import date

import pytest
import yaml

import course_utils


@pytest.fixture(scope="module")
def version(root):
    return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]


def releases(text):
    """[(version, date)] of a changelog's headings, as they stand."""
    return re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})$", text, re.MULTILINE)


def test_the_changelog_begins_with_this_version(root, version):
    found = releases((root / "CHANGELOG.md").read_text("utf-8"))
    assert found[0][0] == version
    numbers = [tuple(map(int, number.split("."))) for number, _ in found]
    assert numbers == sorted(numbers, reverse=True), "the newest comes first"
    assert [day for _, day in found] == sorted((day for _, day in found), reverse=True)


def test_a_changelog_has_the_headings_of_keep_a_changelog(root):
    kinds = set(re.findall(r"^### (.*)$", (root / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_package_says_its_version(version):
    assert course_utils.__version__ == version


def test_the_readme_names_the_wheel_of_this_version(root, version):
    named = re.findall(r"course_workbook-([\d.]+)-py3", (root / "README.md").read_text("utf-8"))
    assert named and set(named) == {version}


def test_the_citation_can_be_used(root, version):
    """The keys that the format requires (CFF 1.2.0), and the version and date of the changelog."""
    citation = yaml.safe_load((root / "CITATION.cff").read_text("utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    assert all(
        "name" in author or {"given-names", "family-names"} <= author.keys() for author in citation["authors"]
    )
    assert citation["version"] == version
    newest = releases((root / "CHANGELOG.md").read_text("utf-8"))[0]
    assert citation["date-released"] == date.fromisoformat(newest[1])
    licence = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["license"]
    assert citation["license"] == licence


def test_the_form_for_bugs_asks_for_the_doctor(root):
    form = yaml.safe_load((root / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text("utf-8"))
    fields = {each["id"]: each for each in form["body"] if "id" in each}
    assert "course doctor" in fields["doctor"]["attributes"]["label"]
    assert fields["doctor"]["validations"]["required"]


def test_every_decision_is_listed_and_has_its_parts(root):
    folder = root / "docs" / "decisions"
    pages = sorted(path for path in folder.glob("[0-9]*.md"))
    index = (folder / "README.md").read_text("utf-8")
    assert re.findall(r"\((\d[^)]*\.md)\)", index) == [path.name for path in pages]
    for page in pages:
        text = page.read_text("utf-8")
        parts = re.findall(r"^## (.*)$", text, re.MULTILINE)
        assert parts == ["What", "Why", "What else was weighed", "Consequences"], page.name
        assert len(text.split()) < 600, f"{page.name} is more than a page"


def links(text):
    """The places of this repository that a page of Markdown leads to, without the part after `#`."""
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [link.partition("#")[0] for link in found if "://" not in link and not link.startswith("#")]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/decisions/README.md"])
def test_links_lead_somewhere(root, name):
    page = root / name
    assert [link for link in links(page.read_text("utf-8")) if not (page.parent / link).exists()] == []


def test_paths_in_the_guide_for_contributors_exist(root):
    """What stands in backticks and has a slash is a path of this repository; `name` and `NN_` stand for the reader's own."""
    named = re.findall(r"`([\w.-]+/[\w./*-]*)`", (root / "CONTRIBUTING.md").read_text("utf-8"))
    fixed = {re.sub(r"[^/]*(NN_|name).*", "", each) for each in named}
    assert len(fixed) > 10
    assert [each for each in fixed if not list(root.glob(each))] == []


def test_every_anchor_of_the_guide_for_contributors_is_a_heading(root):
    text = (root / "CONTRIBUTING.md").read_text("utf-8")
    headings = {title.lower().replace(" ", "-") for title in re.findall(r"^## (.*)$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= headings

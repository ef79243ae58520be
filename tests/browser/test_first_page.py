"""The first page in a real browser: it opens by itself, is rendered, runs, and leads on."""

import pytest

from course_utils.lab import FIRST_PAGE
from tests.browser.workbook import open_notebook, run_all


def test_the_first_page_opens_and_runs(server, page):
    open_notebook(page, server, FIRST_PAGE)
    page.get_by_role("heading", name="One day of generative AI").wait_for()
    run_all(page)
    page.locator(".jp-OutputArea-output", has_text="profile offline").first.wait_for()
    page.locator(".jp-CodeCell .cm-lineWrapping").first.wait_for(
        state="attached"
    )  # so that no code hides at the right


def test_no_dialog_stands_in_the_way(server, page):
    """JupyterLab's questions about news and the like are answered by the workbook's settings."""
    open_notebook(page, server, FIRST_PAGE)
    page.wait_for_timeout(2000)  # they come late
    assert page.locator(".jp-Dialog, .Toastify__toast").count() == 0


def test_a_readme_opens_as_a_page(server, page):
    (server.root / "README.md").write_text("# Read me first\n\nIt is *rendered*.\n")
    page.goto(server.address("README.md"))
    page.locator(".jp-MarkdownViewer h1", has_text="Read me first").wait_for()


def test_the_browser_reaches_no_other_machine(server, page):
    """Only its own: the harness resolves no names."""
    playwright = pytest.importorskip("playwright.sync_api")
    with pytest.raises(playwright.Error, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://example.invalid/")

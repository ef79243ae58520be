"""Serve a copy of the workbook with JupyterLab and drive it in headless Chromium, as a learner would.

Tests use it through the fixtures of conftest.py; screenshot.py shows people what a learner sees.
"""

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from course_utils.lab import lab_arguments, prepare_environment
from tests.browser import jupyter

ROOT = Path(__file__).resolve().parent.parent.parent
SERVED = ("lessons", "exercises", "nbgrader_config.py")
# No display, no root's sandbox, and no connections of Chromium's own
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
PATIENCE = 120  # seconds that a page may take to show what is waited for
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium():
    """The path of an installed Chromium, or None."""
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


@dataclass(frozen=True)
class Server:
    """A running JupyterLab. listens: its Address; root: the folder it serves."""

    listens: jupyter.Address
    root: Path

    def address(self, path):
        return self.listens.of(f"lab/tree/{path}", "reset&")


def copy_workbook(folder):
    """A copy to serve, so that what the browser saves does not touch the repository."""
    for name in SERVED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, folder / name)
    return folder


@contextlib.contextmanager
def serve(folder):
    """JupyterLab on a free port, serving `folder`; it ends with the block."""
    environment = dict(os.environ)
    prepare_environment(environment)
    arguments = lab_arguments(
        "", browser=False, root=folder, superuser=hasattr(os, "geteuid") and not os.geteuid()
    )
    arguments += ["--LabApp.expose_app_in_browser=True"]
    with jupyter.serve("jupyterlab", arguments, folder / "jupyterlab.log", env=environment) as address:
        yield Server(address, folder)


@contextlib.contextmanager
def browse(width=1280, height=900):
    """A page of a new headless Chromium, patient enough for a busy machine."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=CHROMIUM_ARGUMENTS, timeout=PATIENCE * 1000
        )
        try:
            page = browser.new_page(viewport={"width": width, "height": height})
            page.set_default_timeout(PATIENCE * 1000)
            yield page
        finally:
            browser.close()


def expect(locator):
    """Playwright's assertions on what a locator finds, each tried again until it holds or PATIENCE is over."""
    from playwright import sync_api

    sync_api.expect.set_options(timeout=PATIENCE * 1000)
    return sync_api.expect(locator)


def open_notebook(page, server, path, seconds=PATIENCE):
    """Open a notebook and wait until its cells are drawn and its kernel is there and idle."""
    page.goto(server.address(path))
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=seconds * 1000)
    page.wait_for_function(
        """() => {
            const kernel = window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel;
            return kernel?.connectionStatus === "connected" && kernel.status === "idle";
        }""",
        timeout=seconds * 1000,
    )


def run_all(page, seconds=300):
    """Run every cell and wait until the last has finished. JupyterLab itself tells when that is."""
    page.evaluate(
        """() => {
            window.finished = false;
            const run = window.jupyterapp.commands.execute("notebook:run-all-cells");
            run.then(() => { window.finished = true; });
        }"""
    )
    page.wait_for_function("() => window.finished", timeout=seconds * 1000)


def errors(page):
    """The text of every error that the notebook shows."""
    return [
        each.inner_text() for each in page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').all()
    ]


def photograph(page, path, tallest=16_000):
    """A picture of the whole notebook: the window is made as tall as its contents."""
    page.keyboard.press("Escape")
    height = page.evaluate(
        "() => Math.max(...[...document.querySelectorAll('.jp-WindowedPanel-outer')].map(each => each.scrollHeight))"
    )
    page.set_viewport_size({"width": page.viewport_size["width"], "height": min(height + 140, tallest)})
    page.evaluate(
        "() => document.querySelectorAll('.jp-WindowedPanel-outer').forEach(each => each.scrollTop = 0)"
    )
    page.wait_for_timeout(1500)  # for what is drawn only when it comes into view
    page.screenshot(path=path)

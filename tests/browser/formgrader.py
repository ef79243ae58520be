"""Serve a graded class with nbgrader's formgrader, as an instructor opens it."""

import contextlib

from tests.browser import jupyter

EXTENSIONS = '{"nbgrader.server_extensions.formgrader": True}'


@contextlib.contextmanager
def serve(folder):
    """A function that makes formgrader's address of a path; the server ends with the block."""
    arguments = ["--no-browser", "--allow-root", f"--ServerApp.jpserver_extensions={EXTENSIONS}"]
    with jupyter.serve("jupyter_server", arguments, folder / "server.log", cwd=folder) as address:
        yield lambda path: address.of(f"formgrader/{path}")

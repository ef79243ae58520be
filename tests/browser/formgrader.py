"""Serve a graded class with nbgrader's formgrader, as an instructor opens it."""

import contextlib
import re
import subprocess
import sys
import time

EXTENSIONS = '{"nbgrader.server_extensions.formgrader": True}'


@contextlib.contextmanager
def serve(folder, seconds=120):
    """A function that makes formgrader's address of a path; the server ends with the block."""
    log = folder / "server.log"
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", "--ServerApp.port=0"]
    command += ["--ServerApp.token=formgrader", f"--ServerApp.jpserver_extensions={EXTENSIONS}"]
    with open(log, "w") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
    try:
        port = _port(process, log, time.monotonic() + seconds)
        yield lambda path: f"http://127.0.0.1:{port}/formgrader/{path}?token=formgrader"
    finally:
        process.terminate()
        process.wait(timeout=120)


def _port(process, log, deadline):
    while process.poll() is None and time.monotonic() < deadline:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)/", log.read_text()):
            return int(found[1])
        time.sleep(0.2)
    raise RuntimeError("formgrader did not start:\n" + log.read_text())

"""Start a Jupyter server for a test, and end it with the test."""

import contextlib
import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/\S*\?token=(\w+)")


@dataclass(frozen=True)
class Address:
    """Where a server listens. token: what it asks for at the first visit."""

    port: int
    token: str

    def of(self, path, query=""):
        return f"http://127.0.0.1:{self.port}/{path}?{query}token={self.token}"


@contextlib.contextmanager
def serve(module, arguments, log, seconds=300, **options):
    """`python -m module arguments` on a free port: its Address, as soon as somebody answers there.

    log: the path that what it says is written to; options: those of subprocess.Popen.
    Raises RuntimeError, with what it said, if it ends or does not answer within that many seconds.
    """
    command = [sys.executable, "-m", module, "--ServerApp.port=0", *arguments]
    with open(log, "w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, **options)
    try:
        yield _address(process, log, time.monotonic() + seconds)
    finally:
        process.terminate()
        process.wait(timeout=seconds)


def _address(process, log, deadline):
    while process.poll() is None and time.monotonic() < deadline:
        found = ADDRESS.search(log.read_text())
        # Jupyter tells its address before it listens there
        if found and _answers(int(found[1])):
            return Address(int(found[1]), found[2])
        time.sleep(0.1)
    raise RuntimeError("Jupyter did not start:\n" + log.read_text())


def _answers(port):
    with socket.socket() as client:
        client.settimeout(60)
        return client.connect_ex(("127.0.0.1", port)) == 0

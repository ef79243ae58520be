"""Files are open below the paths that were named, and nowhere else; nor is the network, nor other processes."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from course_utils.grading.sandbox import landlock
from tests.grading.sandbox.forked import forked

ABI = landlock.version()
pytestmark = pytest.mark.skipif(ABI == 0, reason="this kernel has no Landlock")


@pytest.fixture
def places(tmp_path):
    for name in ("open", "seen", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    return tmp_path


def tried(places, action):
    """The outcome of an action after the sandbox is up."""

    def inside():
        landlock.restrict(
            [str(places / "seen"), sys.prefix, sys.base_prefix, "/usr", "/lib", "/lib64"],
            [str(places / "open")],
        )
        return action(places)

    return forked(inside)


DENIED = {
    "read outside": lambda p: (p / "closed" / "file").read_text(),
    "list outside": lambda p: os.listdir(p / "closed"),
    "list above": lambda p: os.listdir(p),
    "write outside": lambda p: (p / "closed" / "new").write_text("x"),
    "write what is seen": lambda p: (p / "seen" / "file").write_text("x"),
    "make a file where one may look": lambda p: (p / "seen" / "new").touch(),
    "delete what is seen": lambda p: (p / "seen" / "file").unlink(),
    "through a link": lambda p: [(p / "open" / "l").symlink_to(p / "closed" / "file"), (p / "open" / "l").read_text()],
    "through ..": lambda p: (p / "open" / ".." / "closed" / "file").read_text(),
    "through /proc/self/root": lambda p: Path(f"/proc/self/root{p / 'closed' / 'file'}").read_text(),
    "move out": lambda p: (p / "open" / "file").rename(p / "closed" / "moved"),
    "move in": lambda p: (p / "closed" / "file").rename(p / "open" / "moved"),
    "hard link in": lambda p: os.link(p / "closed" / "file", p / "open" / "linked"),
    "cut short": lambda p: os.truncate(p / "seen" / "file", 0),
}  # fmt: skip
if ABI < 3:
    del DENIED["cut short"]


@pytest.mark.parametrize("action", DENIED)
def test_denied(places, action):
    assert tried(places, DENIED[action]).startswith(("PermissionError", "OSError: [Errno 18]"))
    assert sorted(path.name for path in (places / "closed").iterdir()) == ["file"]


def test_allowed(places):
    def action(p):
        (p / "open" / "new").write_text((p / "seen" / "file").read_text())
        (p / "open" / "new").rename(p / "open" / "renamed")
        (p / "open" / "folder").mkdir()
        return sorted(os.listdir(p / "open"))

    assert tried(places, action) == ["file", "folder", "renamed"]


def test_children_are_held_too(places):
    def action(p):
        code = f"open({str(p / 'closed' / 'file')!r})"
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr

    assert "PermissionError" in tried(places, action)


@pytest.mark.skipif(ABI < 4, reason="Landlock knows the network from version 4")
def test_no_tcp(places):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert tried(places, lambda p: socket.create_connection(("127.0.0.1", port)).close()).startswith(
            "PermissionError"
        )
        assert tried(places, lambda p: socket.create_server(("127.0.0.1", 0)).close()).startswith(
            "PermissionError"
        )


@pytest.mark.skipif(ABI < 6, reason="Landlock knows signals from version 6")
def test_no_signals_to_others(places):
    parent = os.getpid()
    assert tried(places, lambda p: os.kill(parent, 0)).startswith("PermissionError")


def test_paths_that_are_not_there_are_passed_over(places):
    def inside():
        return landlock.restrict(["/nowhere/at/all"], [str(places / "none")])

    assert forked(inside) == ABI


def test_a_kernel_without_it_is_an_error(monkeypatch):
    monkeypatch.setattr(landlock, "version", lambda: 0)
    with pytest.raises(OSError, match="not in this kernel"):
        landlock.restrict([], [])

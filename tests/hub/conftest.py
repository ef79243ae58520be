"""A Hub for each test. The client libraries are the installed ones, unchanged; only the loopback address is open."""

import subprocess

import pytest

from course_utils.hub import LocalHub


@pytest.fixture
def hub():
    """An empty Hub that the libraries point at, as the user "me"; no test may leave a fault of ours behind."""
    with LocalHub(seeded=False) as running:
        yield running
        assert not running._service.crashes, running._service.crashes[0]


@pytest.fixture(scope="module")
def course_hub():
    """A Hub with the course's own repositories, for tests that only read them or use names of their own."""
    with LocalHub() as running:
        yield running
        assert not running._service.crashes, running._service.crashes[0]


def git(folder, *arguments):
    """The output of a git command; AssertionError with its complaint if it fails."""
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_sound(hub):
    """git itself finds nothing wrong in any repository of the Hub."""
    for folder in hub.root.glob("repositories/*/*/*.git"):
        said = git(folder, "fsck", "--strict", "--full", "--no-dangling")
        assert not said.strip(), said

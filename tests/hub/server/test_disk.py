"""A disk that takes less than it is given, takes nothing, or gives back something else: a request is whole or nothing was changed."""

import contextlib
import errno
import hashlib
import json
import os

import pytest

from course_utils.hub import LocalHub, open_store
from course_utils.hub.store import disk
from tests.hub.conftest import assert_sound
from tests.hub.server.test_hostile import LIMITS, as_body, ask, commit_body, link, put

COMMIT = "/api/models/me/thing/commit/main"


@pytest.fixture
def hub():
    with LocalHub(seeded=False, limits=LIMITS) as running:
        running.seed("me/thing", {"a.txt": "a"})
        yield running
        assert not running._service.crashes, running._service.crashes[0]


def everything(hub):
    """All that the Hub has on disk and all that it says of it."""
    files = {
        str(path.relative_to(hub.root)): path.read_bytes()
        for folder in ("repositories", "large", "scratch", "trash")
        for path in (hub.root / folder).rglob("*")
        if path.is_file()
    }
    files |= {path.name: path.read_bytes() for path in hub.root.glob("*.json")}
    said = [(each.kind, each.id, each.branches, each.tags, each.private, each.gated) for each in hub.repos()]
    return {name: data for name, data in files.items() if "/objects/" not in name or "lfs" in name}, said


class Faults:
    """`os.write` and its kin with a fault at the n-th call from now."""

    def __init__(self, monkeypatch):
        self._patch = monkeypatch
        self.calls, self.at, self.how = 0, None, None
        for name in ("write", "replace", "link", "mkdir", "open"):
            monkeypatch.setattr(disk.os, name, self._with_fault(name, getattr(os, name)))

    def _with_fault(self, name, real):
        def call(*arguments, **more):
            reads = name == "open" and not arguments[1] & os.O_CREAT
            if self.at is None or reads or (name == "mkdir" and os.path.isdir(arguments[0])):
                return real(*arguments, **more)
            self.calls += 1
            if self.calls == self.at:
                if self.how != "short":
                    raise OSError(self.how, os.strerror(self.how))
                if name == "write":
                    return real(arguments[0], memoryview(arguments[1])[: len(arguments[1]) // 2])
            return real(*arguments, **more)

        return call

    @contextlib.contextmanager
    def fault(self, at, how):
        self.calls, self.at, self.how = 0, at, how
        yield
        self.at = None


@pytest.fixture
def faults(monkeypatch):
    return Faults(monkeypatch)


def api(method, path, value=None):
    return lambda hub: ask(hub, method, path, as_body(value or {}))


REQUESTS = {
    "a commit": lambda hub: ask(
        hub, "POST", COMMIT, commit_body(put("b.txt"), put("deep/c.txt", b"c" * 5000))
    ),
    "a pull request": lambda hub: ask(hub, "POST", f"{COMMIT}?create_pr=1", commit_body(put("b.txt"))),
    "a merge": api("POST", "/api/models/me/thing/discussions/1/merge"),
    "a draft": api("POST", "/api/models/me/thing/discussions", {"title": "A draft", "pullRequest": True}),
    "settings": api("PUT", "/api/models/me/thing/settings", {"private": True, "gated": "auto"}),
    "a new repository": api("POST", "/api/repos/create", {"name": "other"}),
    "a move": api("POST", "/api/repos/move", {"fromRepo": "me/thing", "toRepo": "me/elsewhere"}),
    "a deletion": api("DELETE", "/api/repos/delete", {"name": "thing"}),
    "a tag": api("POST", "/api/models/me/thing/tag/main", {"tag": "v1", "message": "first"}),
    "a branch": api("POST", "/api/models/me/thing/branch/other"),
    "a squash": api("POST", "/api/models/me/thing/super-squash/main"),
    "a like": api("POST", "/api/models/me/thing/like"),
    "a collection": api("POST", "/api/collections", {"title": "Mine"}),
    "a webhook": api("POST", "/api/settings/webhooks", {"url": "http://127.0.0.1"}),
}


@pytest.mark.parametrize("how", [errno.ENOSPC, errno.EIO, "short"])
@pytest.mark.parametrize("what", REQUESTS)
def test_wherever_the_disk_fails_the_request_is_whole_or_nothing_was_changed(hub, faults, what, how):
    """One fault after the other, at each thing that is written, until one request gets past all of them."""
    if what == "a merge":
        assert REQUESTS["a pull request"](hub)[0] == 200
    before = everything(hub)
    for at in range(1, 60):
        with faults.fault(at, how):
            status, _, body = REQUESTS[what](hub)
        if status == 200:
            break
        assert status == 507 and b"Nothing was changed" in body, body
        assert everything(hub) == before
    assert how == "short" or at > 1
    assert everything(hub) != before
    assert_sound(hub)
    open_store(hub.root)
    said = everything(hub)[1]
    hub.stop()
    hub.start()
    assert everything(hub)[1] == said


@pytest.mark.parametrize("how", [errno.ENOSPC, errno.EIO, "short"])
def test_a_large_file_is_whole_or_was_not_sent(hub, faults, how):
    data = os.urandom(30_000)
    path, _ = link(hub, data)
    for at in range(1, 20):
        with faults.fault(at, how):
            status, _, body = ask(hub, "PUT", path, data, token=False)
        if status == 200:
            break
        assert status == 507 and b"Nothing was changed" in body
        assert hub._store.large.size(hashlib.sha256(data).hexdigest()) is None
    assert hub._store.large.path(hashlib.sha256(data).hexdigest()).read_bytes() == data


def test_what_the_disk_gives_back_is_looked_at(hub, monkeypatch):
    """A disk that says it wrote everything and did not."""
    real = os.write

    def lying(file, data):
        real(file, bytes(data)[:-1])
        return len(data)

    before = everything(hub)
    with monkeypatch.context() as patched:
        patched.setattr(disk.os, "write", lying)
        status, _, body = ask(hub, "POST", COMMIT, commit_body(put("b.txt")))
        assert status == 507 and b"Nothing was changed" in body
    assert everything(hub) == before


def test_a_damaged_file_is_healed_by_uploading_it_again(hub):
    import huggingface_hub as hf

    large = os.urandom(20_000)
    hub.seed("me/thing", {"w.bin": large})
    repository = hub._store.find("model", "me/thing")
    blob = repository.objects.path(hub.repo("me/thing").file("a.txt").oid)
    (hub.root / blob).write_bytes((hub.root / blob).read_bytes()[:-4])
    place = repository.large_path(hub.repo("me/thing").file("w.bin"))
    os.truncate(place, 100)
    for name in ("a.txt", "w.bin"):
        assert ask(hub, "GET", f"/me/thing/resolve/main/{name}")[0] == 500
    for name, data in (("a.txt", b"a"), ("w.bin", large)):
        hf.upload_file(path_or_fileobj=data, path_in_repo=name, repo_id="me/thing")
    assert hub.repo("me/thing").text("a.txt") == "a" and hub.repo("me/thing").read("w.bin") == large
    open_store(hub.root)
    assert_sound(hub)


def test_a_full_disk_is_told_before_a_batch_is_taken_away(hub, monkeypatch):
    """It was "Directory not empty", of the folder with what could not be written."""

    def full(file, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(disk.os, "write", full)
    status, _, body = ask(hub, "POST", COMMIT, commit_body(put("b.txt")))
    assert status == 507 and json.loads(body)["error"] == "The disk is full. Nothing was changed."
    assert not list((hub.root / "scratch").iterdir())

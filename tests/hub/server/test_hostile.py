"""Requests that no client library would send: each gets a clear error, and nothing changes."""

import base64
import errno
import hashlib
import json
import random
import re
import shutil
import socket
import time
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from course_utils.hub import Limits, LocalHub, open_store
from tests.hub.conftest import assert_sound

LIMITS = Limits(
    regular_file=10_000,
    large_file=100_000,
    upload_part=40_000,
    json_body=20_000,
    commit_body=100_000,
    commit_entries=20,
    repositories=6,
    total=2**21,
    free_disk=0,
)
BYTES = b"large" * 100
SHA256 = hashlib.sha256(BYTES).hexdigest()


def made():
    running = LocalHub(seeded=False, limits=LIMITS).start()
    running.seed("me/thing", {"a.txt": "a"}, tag="v1")
    running.seed("ada/secret", {"a.txt": "hidden", "w.bin": BYTES}, private=True)
    yield running
    assert not running._service.crashes, running._service.crashes[0]
    assert_sound(running)
    running.close()


@pytest.fixture
def hub():
    yield from made()


@pytest.fixture(scope="module")
def unchanged():
    """A Hub for requests that change nothing."""
    yield from made()


def state(hub):
    """All that a request could have changed."""
    left = [path.name for path in (hub.root / "scratch").iterdir() if not path.name.startswith("parts-")]
    assert not left, left
    large = sorted(path.name for path in hub.root.glob("large/*/*"))
    return [(each.id, each.branches, each.tags, each.private) for each in open_store(hub.root).repos()], large


def ask(hub, method, path, body=b"", token=True, **headers):
    """(status, headers, body) of one raw request on a connection of its own."""
    named = {"Host": f"127.0.0.1:{hub.url.rpartition(':')[2]}", "Content-Length": str(len(body))}
    if token:
        named["Authorization"] = f"Bearer {hub.token if token is True else token}"
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in named.items() if v is not None)]
    return talk(hub, "\r\n".join([*lines, "", ""]).encode() + body)


def talk(hub, data):
    with socket.create_connection(("127.0.0.1", int(hub.url.rpartition(":")[2])), timeout=60) as line:
        line.sendall(data)
        line.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(re.match(rb"HTTP/1.1 (\d+)", head)[1])
    return status, head.decode("latin-1"), body


def as_body(value):
    return json.dumps(value).encode()


def commit_body(*lines, summary="a change"):
    header = {"key": "header", "value": {"summary": summary}}
    return b"".join(as_body(line) + b"\n" for line in (header, *lines))


def put(path, data=b"x"):
    return {
        "key": "file",
        "value": {"path": path, "content": base64.b64encode(data).decode(), "encoding": "base64"},
    }


COMMIT = "/api/models/me/thing/commit/main"
INFO = "/api/models/me/thing"
RESOLVE = "/me/thing/resolve/main/a.txt"
LFS = "/me/thing.git/info/lfs/objects/batch"

# what: (expected status, request)
TABLE = {
    # paths
    "climbing out of a repository": (422, ("GET", "/me/thing/resolve/main/../../../tokens.json")),
    "climbing out, encoded": (422, ("GET", "/me/thing/resolve/main/%2e%2e%2f%2e%2e%2ftokens.json")),
    "climbing by a revision": (404, ("GET", "/me/thing/resolve/..%2f..%2f..%2ftokens/a.txt")),
    "climbing by a name": (404, ("GET", "/api/models/..%2f..%2ftokens/x")),
    "a name of dots": (404, ("GET", "/api/models/../..")),
    "a zero byte in a path": (422, ("GET", "/me/thing/resolve/main/a%00.txt")),
    "a path that is not UTF-8": (400, ("GET", "/me/thing/resolve/main/%ff%fe")),
    "a page's path that climbs": (422, ("GET", "/me/thing/tree/main/..%2f..")),
    "a very long path": (422, ("GET", "/me/thing/resolve/main/" + "a" * 1500)),
    "a very long address": (414, ("GET", "/" + "a" * 70_000)),
    "another user's file by raw address": (404, ("GET", "/ada/secret/raw/main/a.txt")),
    "a commit above the top": (422, ("POST", COMMIT, commit_body(put("../x")))),
    "a commit into .git": (422, ("POST", COMMIT, commit_body(put(".git/config")))),
    "a commit into .GiT": (422, ("POST", COMMIT, commit_body(put("sub/.GiT/hooks/post-update")))),
    "a commit into .g\u200cit": (422, ("POST", COMMIT, commit_body(put(".g\u200cit/config")))),
    "a commit into git~1": (422, ("POST", COMMIT, commit_body(put("GIT~1/config")))),
    "a commit with a backslash": (422, ("POST", COMMIT, commit_body(put("a\\b")))),
    "a commit of a submodule's list": (422, ("POST", COMMIT, commit_body(put(".gitmodules")))),
    "a commit of an absolute path": (422, ("POST", COMMIT, commit_body(put("/etc/passwd")))),
    "a commit to nowhere": (422, ("POST", COMMIT, commit_body(put("")))),
    "a commit 60 folders deep": (422, ("POST", COMMIT, commit_body(put("a/" * 60 + "b")))),
    "a file in a file": (422, ("POST", COMMIT, commit_body(put("a.txt/b.txt")))),
    "attributes that git refuses": (422, ("POST", COMMIT, commit_body(put(".gitattributes", b"x" * 3000)))),
    # names
    "a repository called '..'": (422, ("POST", "/api/repos/create", as_body({"name": ".."}))),
    "a repository called 'a/b'": (422, ("POST", "/api/repos/create", as_body({"name": "a/b"}))),
    "a repository called 'x.git'": (422, ("POST", "/api/repos/create", as_body({"name": "x.git"}))),
    "a repository without a name": (400, ("POST", "/api/repos/create", as_body({}))),
    "a repository of an odd kind": (
        422,
        ("POST", "/api/repos/create", as_body({"name": "x", "type": "bucket"})),
    ),
    "a repository for somebody else": (
        403,
        ("POST", "/api/repos/create", as_body({"name": "x", "organization": "ada"})),
    ),
    "a move into somebody's house": (
        403,
        (
            "POST",
            "/api/repos/move",
            as_body({"fromRepo": "me/thing", "toRepo": "ada/thing", "type": "model"}),
        ),
    ),
    "a move of somebody's house": (
        404,
        ("POST", "/api/repos/move", as_body({"fromRepo": "ada/secret", "toRepo": "me/x", "type": "model"})),
    ),
    "a delete of somebody's house": (
        404,
        ("DELETE", "/api/repos/delete", as_body({"name": "secret", "organization": "ada"})),
    ),
    "a branch called '../x'": (422, ("POST", INFO + "/branch/..%2fx", b"{}")),
    "a branch called 'x.lock'": (422, ("POST", INFO + "/branch/x.lock", b"{}")),
    "a branch with a line break": (422, ("POST", INFO + "/branch/a%0ab", b"{}")),
    "a branch that looks like a commit": (422, ("POST", INFO + "/branch/" + "a" * 40, b"{}")),
    "a tag called '-x'": (422, ("POST", INFO + "/tag/main", as_body({"tag": "-x"}))),
    "a tag that is a number": (422, ("POST", INFO + "/tag/main", as_body({"tag": 3}))),
    "a commit to a tag": (422, ("POST", INFO + "/commit/v1", commit_body(put("b.txt")))),
    # bodies
    "a body that is not JSON": (400, ("POST", "/api/repos/create", b"{name:")),
    "a body that is a list": (400, ("POST", "/api/repos/create", b"[]")),
    "a body of brackets": (400, ("POST", "/api/repos/create", b"[" * 15_000)),
    "a body that is too large": (413, ("POST", "/api/repos/create", b" " * 30_000)),
    "a commit without a header": (400, ("POST", COMMIT, as_body(put("b.txt")) + b"\n")),
    "an empty commit": (400, ("POST", COMMIT, b"")),
    "a commit without a message": (400, ("POST", COMMIT, commit_body(put("b.txt"), summary=" "))),
    "a commit cut in a line": (400, ("POST", COMMIT, commit_body(put("b.txt"))[:-30])),
    "a commit with a strange line": (400, ("POST", COMMIT, commit_body({"key": "symlink", "value": {}}))),
    "a commit with a value of no fields": (400, ("POST", COMMIT, commit_body({"key": "file", "value": 3}))),
    "a file that is not base64": (
        400,
        (
            "POST",
            COMMIT,
            commit_body({"key": "file", "value": {"path": "b", "content": "@", "encoding": "base64"}}),
        ),
    ),
    "a commit of too many files": (413, ("POST", COMMIT, commit_body(*[put(f"{n}.txt") for n in range(30)]))),
    "a commit that is too large": (
        413,
        ("POST", COMMIT, commit_body(*[put(f"{n}.txt", b"x" * 9000) for n in range(12)])),
    ),
    "a file that is too large for a commit": (
        413,
        ("POST", COMMIT, commit_body(put("b.txt", b"x" * 12_000))),
    ),
    "a line that is too long": (413, ("POST", COMMIT, commit_body(put("b.txt", b"x" * 40_000)))),
    "a card that can't be read": (400, ("POST", COMMIT, commit_body(put("README.md", b"---\na: [\n---\n")))),
    "a card that explodes": (
        400,
        ("POST", COMMIT, commit_body(put("README.md", b"---\na: &a [x]\nb: [*a, *a]\n---\n"))),
    ),
    "a stale parent": (
        404,
        ("POST", COMMIT, as_body({"key": "header", "value": {"summary": "x", "parentCommit": "0" * 40}})),
    ),
    "a gate of no known kind": (422, ("PUT", INFO + "/settings", as_body({"gated": "maybe"}))),
    "a visibility of no known kind": (422, ("PUT", INFO + "/settings", as_body({"visibility": "secret"}))),
    "a sort of no known kind": (400, ("GET", "/api/models?sort=colour")),
    "a cursor that is no number": (400, ("GET", "/api/models?cursor=-1")),
    "too many query parameters": (400, ("GET", "/api/models?" + "&".join(f"a{n}=1" for n in range(600)))),
    # large files
    "a large file that was never uploaded": (
        422,
        ("POST", COMMIT, commit_body({"key": "lfsFile", "value": {"path": "w", "oid": "0" * 64, "size": 5}})),
    ),
    "somebody's secret bytes by their hash": (
        422,
        ("POST", COMMIT, commit_body({"key": "lfsFile", "value": {"path": "w", "oid": SHA256}})),
    ),
    "somebody's secret bytes by a pointer": (
        422,
        (
            "POST",
            COMMIT,
            commit_body(
                put(
                    "w",
                    f"version https://git-lfs.github.com/spec/v1\noid sha256:{SHA256}\nsize 500\n".encode(),
                )
            ),
        ),
    ),
    "a large file by a wrong hash": (
        422,
        ("POST", LFS, as_body({"objects": [{"oid": "../../x", "size": 5}]})),
    ),
    "a large file of negative size": (
        400,
        ("POST", LFS, as_body({"objects": [{"oid": SHA256, "size": -5}]})),
    ),
    "a large file above the limit": (
        413,
        ("POST", LFS, as_body({"objects": [{"oid": SHA256, "size": 10**9}]})),
    ),
    "a batch of no list": (400, ("POST", LFS, as_body({"objects": 3}))),
    "an upload without a link": (403, ("PUT", "/upload", BYTES)),
    "an upload by a made-up link": (
        403,
        ("PUT", f"/upload?sha256={SHA256}&size=500&user=me&expires=99999999999&seal=00", BYTES),
    ),
    # HTTP itself
    "an unknown method": (405, ("PATCH", INFO)),
    "an unknown address": (404, ("GET", "/api/models/me/thing/nothing/here")),
    "something left out": (501, ("GET", "/api/papers/x")),
}


@pytest.mark.parametrize("what", TABLE)
def test_each_gets_its_error_and_changes_nothing(unchanged, what):
    expected, request = TABLE[what]
    hub = unchanged
    before = state(hub)
    status, head, body = ask(hub, *request)
    assert status == expected, body
    if not head.startswith("HTTP/1.1 414"):
        assert b"error" in body or b"<h1>" in body
        assert "Traceback" not in body.decode("utf-8", "replace")
    assert state(hub) == before
    assert ask(hub, "GET", RESOLVE)[2] == b"a"


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("evil.example", None, 421),
        ("127.0.0.1:1", None, 421),
        (None, None, 421),
        ("", "http://evil.example", 403),
        ("", "null", 403),
    ],
)
def test_a_website_in_the_same_machines_browser_gets_nothing(unchanged, host, origin, status):
    """DNS rebinding: some website's name leads to 127.0.0.1, and its page asks the Hub."""
    headers = {"Origin": origin} | ({} if host == "" else {"Host": host})
    assert ask(unchanged, "GET", RESOLVE, **headers)[0] == status


def test_forms_of_other_pages_press_no_button(hub):
    hub.seed("ada/gated", {"a.txt": "a"}, gated="auto")
    cookie = f"course_hub_{hub.url.rpartition(':')[2]}={hub.page.partition('key=')[2]}"
    assert ask(hub, "POST", "/ada/gated/ask", token=False, Cookie=cookie)[0] == 403
    assert hub.repo("ada/gated").access == {}
    assert (
        ask(hub, "DELETE", "/api/repos/delete", as_body({"name": "thing"}), token=False, Cookie=cookie)[0]
        == 401
    )


@pytest.mark.parametrize("head", ["Basic bWU6bWU=", "Bearer", "Bearer hf_wrong", "Bearer " + "x" * 5000])
def test_wrong_credentials(unchanged, head):
    status, text, _ = ask(unchanged, "GET", INFO, token=False, Authorization=head)
    assert status == 401 and "X-Error-Message: Invalid credentials in Authorization header" in text


@pytest.mark.parametrize(
    "raw",
    [
        b"POST /api/repos/create HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/repos/create HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /api/repos/create HTTP/1.1\r\nHost: HOST\r\nContent-Length: -5\r\n\r\nhello",
        b"POST /api/repos/create HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        b"POST /api/validate-yaml HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nhello\r\n0\r\n\r\n",
        b"GET http://127.0.0.1/ HTTP/1.1\r\nHost: HOST\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: HOST\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
)
def test_requests_that_are_no_http(unchanged, raw):
    host = f"127.0.0.1:{unchanged.url.rpartition(':')[2]}".encode()
    status, _, _ = talk(unchanged, raw.replace(b"HOST", host))
    assert 400 <= status < 500
    assert ask(unchanged, "GET", RESOLVE)[2] == b"a"


def link(hub, data=b"new bytes", size=None, sha256=None):
    """The path of an upload link as the server gives it, and what it is for."""
    sha256 = sha256 or hashlib.sha256(data).hexdigest()
    wanted = {"objects": [{"oid": sha256, "size": len(data) if size is None else size}]}
    status, _, body = ask(hub, "POST", LFS, as_body(wanted))
    assert status == 200, body
    upload = json.loads(body)["objects"][0]["actions"]["upload"]
    return upload["href"].removeprefix(hub.url), upload.get("header", {})


def changed(path, **claims):
    address = urlsplit(path)
    return f"{address.path}?{urlencode(dict(parse_qsl(address.query)) | claims)}"


def test_a_link_is_for_these_bytes_and_no_others(hub):
    path, _ = link(hub)
    before = state(hub)
    assert ask(hub, "PUT", path, b"other byt", token=False)[0] == 422
    assert ask(hub, "PUT", path, b"new", token=False)[0] == 422
    assert ask(hub, "PUT", path, b"new bytes and more", token=False)[0] == 413
    assert ask(hub, "PUT", changed(path, size="99999"), b"new bytes", token=False)[0] == 403
    assert ask(hub, "PUT", changed(path, sha256="0" * 64), b"new bytes", token=False)[0] == 403
    assert ask(hub, "PUT", changed(path, user="ada"), b"new bytes", token=False)[0] == 403
    assert ask(hub, "PUT", changed(path, sha256="../../../x"), b"new bytes", token=False)[0] == 403
    assert ask(hub, "PUT", changed(path, parts="3"), b"new bytes", token=False)[0] == 403
    assert ask(hub, "POST", path, as_body({"parts": []}), token=False)[0] == 400
    assert state(hub) == before
    assert ask(hub, "PUT", path, b"new bytes", token=False)[0] == 200


def test_a_link_expires(hub, monkeypatch):
    path, _ = link(hub)
    now = time.time()
    monkeypatch.setattr("course_utils.hub.server.service.time.time", lambda: now + 3601)
    status, _, body = ask(hub, "PUT", path, b"new bytes", token=False)
    assert status == 403 and b"expired" in body


def test_parts_that_are_missing_or_wrong(hub):
    data = random.Random(0).randbytes(100_000)
    path, header = link(hub, data)
    parts = [header[number].removeprefix(hub.url) for number in "123"]
    pieces = [data[:40_000], data[40_000:80_000], data[80_000:]]
    listed = as_body({"oid": "x", "parts": [{"partNumber": number, "etag": "e"} for number in (1, 2, 3)]})
    before = state(hub)
    assert ask(hub, "PUT", parts[0], pieces[0], token=False)[0] == 200
    assert ask(hub, "PUT", parts[1], pieces[1][:-1], token=False)[0] == 422
    assert ask(hub, "PUT", parts[2], pieces[1], token=False)[0] == 413
    status, _, body = ask(hub, "POST", path, listed, token=False)
    assert status == 422 and b"these did not arrive: 2, 3" in body
    assert ask(hub, "PUT", parts[1], pieces[0], token=False)[0] == 200  # the wrong bytes
    assert ask(hub, "PUT", parts[2], pieces[2], token=False)[0] == 200
    status, _, body = ask(hub, "POST", path, listed, token=False)
    assert status == 422 and b"SHA-256" in body
    assert state(hub) == before
    for part, piece in zip(parts, pieces):
        assert ask(hub, "PUT", part, piece, token=False)[0] == 200
    assert ask(hub, "POST", path, as_body({"parts": []}), token=False)[0] == 400
    assert ask(hub, "POST", path, listed, token=False)[0] == 200
    assert hub._store.large.size(hashlib.sha256(data).hexdigest()) == len(data)


def test_the_hub_is_full(hub):
    before = state(hub)
    big = hashlib.sha256(b"big").hexdigest()
    many = {"objects": [{"oid": big, "size": 99_000}] * 30}
    status, _, body = ask(hub, "POST", LFS, as_body(many))
    assert status == 507 and b"holds at most" in body
    for number in range(4):
        assert ask(hub, "POST", "/api/repos/create", as_body({"name": f"x{number}"}))[0] == 200
    status, _, body = ask(hub, "POST", "/api/repos/create", as_body({"name": "one-too-many"}))
    assert status == 507 and b"takes no more" in body
    assert state(hub)[1] == before[1]


@pytest.mark.parametrize(
    "where", ["course_utils.hub.store.disk.os.replace", "course_utils.hub.store.objects.os.replace"]
)
def test_the_disk_is_full_in_the_middle_of_a_commit(hub, monkeypatch, where):
    before = state(hub)

    def full(*paths):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(where, full)
        status, _, body = ask(hub, "POST", COMMIT, commit_body(put("b.txt")))
        assert status == 507 and b"The disk is full. Nothing was changed." in body
    assert state(hub) == before
    assert ask(hub, "POST", COMMIT, commit_body(put("b.txt")))[0] == 200


def test_the_disk_is_full_before_an_upload(hub, monkeypatch):
    path, _ = link(hub)
    usage = shutil.disk_usage(hub.root)._replace(free=-1)
    monkeypatch.setattr("course_utils.hub.store.hub.shutil.disk_usage", lambda folder: usage)
    status, _, body = ask(hub, "PUT", path, b"new bytes", token=False)
    assert status == 507 and b"disk is full" in body


def test_a_disk_that_the_parts_have_nearly_filled_still_takes_their_end(hub, monkeypatch):
    data = random.Random(1).randbytes(100_000)
    path, header = link(hub, data)
    for number in "123":
        start = (int(number) - 1) * 40_000
        part = header[number].removeprefix(hub.url)
        assert ask(hub, "PUT", part, data[start : start + 40_000], token=False)[0] == 200
    usage = shutil.disk_usage(hub.root)._replace(
        free=10
    )  # the file lies there already: its end takes no more
    monkeypatch.setattr("course_utils.hub.store.hub.shutil.disk_usage", lambda folder: usage)
    listed = as_body({"oid": "x", "parts": [{"partNumber": number, "etag": "e"} for number in (1, 2, 3)]})
    assert ask(hub, "POST", path, listed, token=False)[0] == 200


def test_a_client_that_goes_away_in_the_middle_leaves_nothing(hub):
    before = state(hub)
    path, _ = link(hub)
    host = f"127.0.0.1:{hub.url.rpartition(':')[2]}"
    with socket.create_connection(("127.0.0.1", int(host.rpartition(":")[2])), timeout=60) as line:
        line.sendall(f"PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\n\r\nnew".encode())
    deadline = time.monotonic() + 60
    while not hub.events_of("PUT") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert hub.events_of("PUT")[0].status == 0
    assert state(hub) == before


def test_only_this_machine_can_connect(unchanged):
    port = int(unchanged.url.rpartition(":")[2])
    with socket.socket() as other:
        other.bind(("127.0.0.2", port))  # free: the Hub listens on 127.0.0.1 alone, not on every address

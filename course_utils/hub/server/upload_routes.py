"""Uploads: which way each file goes, the large ones by signed links, and the commit that makes them count."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from course_utils.hub.server.http import Response, as_json
from course_utils.hub.server.routing import PREFIX, Routes
from course_utils.hub.store.conversations import Conversations, branch_of, reference
from course_utils.hub.store.errors import HubError, bad_request, unusable
from course_utils.hub.store.large import check_sha256, place_in
from course_utils.hub.store.names import check_path
from course_utils.hub.store.refs import BRANCHES, PULL_REQUESTS
from course_utils.hub.store.repository import goes_large

if TYPE_CHECKING:
    from course_utils.hub.server.http import Request
    from course_utils.hub.server.service import Service
    from course_utils.hub.store.accounts import Person
    from course_utils.hub.store.repository import Change, Repository

routes = Routes()

FILES_PER_CALL = 1000


# 1. Which way each file goes


@routes.add("POST", "/api/{kind}/{owner}/{name}/preupload/{revision}")
def preupload(
    service: Service, request: Request, kind: str, owner: str, name: str, revision: str
) -> Response:
    """For each file: "regular" (in the commit) or "lfs" (large), and what the repository holds there now."""
    asked = request.json(service.limits.json_body)
    repository = may_commit(service, request, kind, owner, name, revision)
    commit = repository.head(revision)
    patterns = repository.large_patterns(commit)
    ignored = ignored_by(repository, commit, asked.get("gitIgnore"))
    files = asked.get("files")
    if not isinstance(files, list) or len(files) > FILES_PER_CALL:
        raise bad_request(f'"files" must be a list of at most {FILES_PER_CALL} files.')
    return as_json(
        {"files": [planned(service, repository, commit, patterns, ignored, each) for each in files]}
    )


def ignored_by(repository: Repository, commit: str, sent: str | None) -> Callable:
    """Whether .gitignore lists a path, as a function: the file that is being
    uploaded, or else the repository's.
    """
    import pathspec

    file = repository.history.file(commit, ".gitignore") if sent is None else None
    text = repository.read(file).decode("utf-8", "replace") if file and not file.large else sent
    if not isinstance(text, str | None):
        raise bad_request('"gitIgnore" must be the text of a .gitignore.')
    try:
        return pathspec.GitIgnoreSpec.from_lines((text or "").splitlines()).match_file
    except ValueError as error:
        raise bad_request(f"The .gitignore can't be read: {error}") from None


def planned(
    service: Service,
    repository: Repository,
    commit: str,
    patterns: tuple[str, ...],
    ignored: Callable,
    asked: object,
) -> dict:
    path, size, sample = file_asked(asked)
    large = goes_large(path, size, sample, patterns, service.limits.regular_file)
    return {
        "path": path,
        "uploadMode": "lfs" if large and size else "regular",
        "shouldIgnore": ignored(path),
        "oid": repository.sound_id(commit, path),  # so a damaged file is not left out as unchanged
    }


def file_asked(asked: object) -> tuple[str, int, bytes]:
    if not isinstance(asked, dict):
        raise bad_request("A file is described by its path, size and sample.")
    path, size = check_path(asked.get("path")), asked.get("size")
    if type(size) is not int or size < 0:
        raise bad_request(f"The size of {path} is no whole number.")
    return path, size, decoded(asked.get("sample", ""), path)


def decoded(text: Any, path: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise bad_request(f"What was sent for {path} is not base64.") from None


def may_commit(
    service: Service, request: Request, kind: str, owner: str, name: str, revision: str
) -> Repository:
    """The repository, if the person may commit there.

    Who may only read may propose, and go on with a proposal.
    """
    proposes = request.flag("create_pr")
    if not proposes and revision.startswith(PULL_REQUESTS):
        repository = service.repository(request, kind, owner, name)
        rows = {f"{PULL_REQUESTS}{row['num']}": row["author"] for row in repository.conversations()}
        proposes = request.person is not None and rows.get(revision) == request.person.name
    if proposes and request.person is not None and request.person.role == "write":
        return service.repository(request, kind, owner, name, "files")
    return service.repository(request, kind, owner, name, "write")


# 2. Large files


@routes.add("POST", "/datasets/{owner}/{name.git}/info/lfs/objects/batch", kind="dataset")
@routes.add("POST", "/spaces/{owner}/{name.git}/info/lfs/objects/batch", kind="space")
@routes.add("POST", "/{owner}/{name.git}/info/lfs/objects/batch", kind="model")
def batch(service: Service, request: Request, kind: str, owner: str, name: str) -> Response:
    """Git LFS's batch call: for each file an upload link, in parts if it is big, or nothing if it is here."""
    asked = request.json(service.limits.json_body)
    repository = service.repository(request, kind, owner, name)
    person = service.must_write(request)
    objects = asked.get("objects")
    if not isinstance(objects, list) or len(objects) > FILES_PER_CALL:
        raise bad_request(f'"objects" must be a list of at most {FILES_PER_CALL} files.')
    if asked.get("operation", "upload") != "upload":
        raise HubError(501, "The local Hub sends large files by their resolve address, not by LFS.")
    sizes = [object_asked(service, each) for each in objects]
    service.store.room_for(sum(size for _, size in sizes))
    answer = [upload_plan(service, repository, person, sha256, size) for sha256, size in sizes]
    return as_json({"transfer": "basic", "objects": answer})


def object_asked(service: Service, asked: object) -> tuple[str, int]:
    if not isinstance(asked, dict):
        raise bad_request("A large file is described by its oid and size.")
    sha256, size = check_sha256(asked.get("oid")), asked.get("size")
    if type(size) is not int or size < 0:
        raise bad_request("The size of a large file is no whole number.")
    if size > service.limits.large_file:
        raise HubError(413, f"A file has at most {service.limits.large_file:,} bytes.")
    return sha256, size


def upload_plan(service: Service, repository: Repository, person: Person, sha256: str, size: int) -> dict:
    row = {"oid": sha256, "size": size, "authenticated": True}
    store = service.store
    if store.large.size(sha256) == size and store.may_have(person, sha256):
        return row
    part = service.limits.upload_part
    claims = {"sha256": sha256, "size": size, "user": person.name}
    upload: dict = {"href": f"{service.url}/upload?{service.signed(**claims)}"}
    if size > part:
        count = math.ceil(size / part)
        upload["href"] = f"{service.url}/upload?{service.signed(parts=count, **claims)}"
        upload["header"] = {"chunk_size": str(part)} | {
            str(number): f"{service.url}/upload?{service.signed(part=number, parts=count, **claims)}"
            for number in range(1, count + 1)
        }
    verify = f"{service.url}/{PREFIX[repository.kind]}{repository.id}.git/info/lfs/verify"
    return row | {"actions": {"upload": upload, "verify": {"href": verify}}}


@routes.add("PUT", "/upload")
def upload(service: Service, request: Request) -> Response:
    """The bytes of a large file or of one of its parts. The link is the right: no token comes with it."""
    claims = service.claims(request)
    sha256, size = claims["sha256"], int(claims["size"])
    part, parts = int(claims.get("part", 0)), int(claims.get("parts", 0))
    if parts and not part:
        raise bad_request("This link ends an upload in parts: it takes no bytes.")
    start, expected = 0, size
    if part:
        start = (part - 1) * service.limits.upload_part
        expected = min(service.limits.upload_part, size - start)
    service.store.room_for(expected)
    blocks = request.body.blocks(expected)
    if part:
        service.store.large.parts(claims["user"], sha256, size).receive(part, start, expected, blocks)
        # the client sends it back unread when it lists the parts; what counts is the SHA-256 of the whole
        return Response(200, b"", {"ETag": f'"{sha256}-{part}"'})
    service.store.large.receive(sha256, size, blocks)
    service.store.took(size)
    service.store.shown(service.store.accounts.person(claims["user"]), sha256)
    return Response(200, b"", {"ETag": f'"{sha256}"'})


@routes.add("POST", "/upload")
def complete(service: Service, request: Request) -> Response:
    """All parts have been sent: put them together."""
    claims = service.claims(request)
    if "parts" not in claims or "part" in claims:
        raise bad_request("This link doesn't end an upload in parts.")
    count, size, sha256 = int(claims["parts"]), int(claims["size"]), claims["sha256"]
    listed = request.json(service.limits.json_body).get("parts")
    if not isinstance(listed, list) or len(listed) != count:
        raise bad_request(f"The file has {count} parts; list them all.")
    service.store.room_for(size, arrived=True)
    service.store.large.join(claims["user"], sha256, size, count)
    service.store.took(size)
    service.store.shown(service.store.accounts.person(claims["user"]), sha256)
    return as_json({"success": True})


@routes.add("POST", "/datasets/{owner}/{name.git}/info/lfs/verify", kind="dataset")
@routes.add("POST", "/spaces/{owner}/{name.git}/info/lfs/verify", kind="space")
@routes.add("POST", "/{owner}/{name.git}/info/lfs/verify", kind="model")
def verify(service: Service, request: Request, kind: str, owner: str, name: str) -> Response:
    """Whether an upload has arrived, for who sent it; of other people's bytes only
    what the repository shows anyway.
    """
    asked = request.json(service.limits.json_body)
    repository = service.repository(request, kind, owner, name)
    person = service.must_be_signed_in(request)
    sha256, store = check_sha256(asked.get("oid")), service.store
    known = store.has_shown(person, sha256) or (
        repository.may_read_files(person) and place_in(repository.folder, sha256).exists()
    )
    if not known or store.large.size(sha256) != asked.get("size"):
        raise HubError(404, "These bytes have not arrived.")
    return as_json({})


@routes.add("GET", "/api/{kind}/{owner}/{name}/xet-write-token/{revision*}")
@routes.add("GET", "/api/{kind}/{owner}/{name}/xet-read-token/{revision*}")
def xet(service: Service, request: Request, kind: str, owner: str, name: str, revision: str) -> None:
    raise HubError(
        501,
        "The local Hub stores large files whole and knows no Xet. Set HF_HUB_DISABLE_XET=1 before the "
        "library is imported, or use hub.activate(), which does it.",
    )


# 3. The commit


@routes.add("POST", "/api/{kind}/{owner}/{name}/commit/{revision}")
def commit(service: Service, request: Request, kind: str, owner: str, name: str, revision: str) -> Response:
    """A commit, one JSON object a line.

    Files wait aside until the last line is read, so memory stays flat.
    """
    repository = may_commit(service, request, kind, owner, name, revision)
    person, store = service.must_be_signed_in(request), service.store
    store.room_for(request.body.length or 0)
    repository.head(revision)  # 404 where there is none, before anything is read
    with repository.change(store.large, lambda sha256: store.may_have(person, sha256)) as change:
        header = read_lines(service, request, change)
        text = "\n\n".join(filter(None, (header.get("summary"), header.get("description"))))
        parent = header.get("parentCommit")
        if parent is not None:
            parent = repository.head(parent) if isinstance(parent, str) else ""
        if request.flag("create_pr"):
            more = propose(service, person, repository, change, revision, parent, text)
        else:
            target = branch(repository, revision)
            more = {"commitOid": change.commit(target, person.name, text, parent)}
            service.webhooks.commit(repository, target, more["commitOid"])
    store.took(request.body.length or 0)
    url = f"{service.web_url(repository)}/commit/{more['commitOid']}"
    return as_json({"success": True, "commitUrl": url, "hookOutput": "", **more})


def branch(repository: Repository, revision: str) -> str:
    """The full name of the branch or pull request that a commit goes to."""
    name = revision if revision.startswith(PULL_REQUESTS) else BRANCHES + branch_of(revision)
    if name not in repository.refs.read():
        raise unusable(f"A commit goes to a branch, and {revision} is none.")
    return name


def propose(
    service: Service,
    person: Person,
    repository: Repository,
    change: Change,
    revision: str,
    parent: str | None,
    text: str,
) -> dict[str, str]:
    """A commit with create_pr=1: a new pull request that holds it.

    Where it begins is settled under the lock.
    """
    title, _, description = text.partition("\n\n")
    with repository.lock:
        table = Conversations(repository)
        row = table.open(
            person, title[:200].ljust(3, "."), description, True, revision=revision, start=parent
        )
        new = table.propose(row, person, change, text)
    service.webhooks.discussion(repository, row, "create", row["events"][0])
    service.webhooks.reference(repository, reference(row), None, new)
    return {"commitOid": new, "pullRequestUrl": service.discussion_url(repository, row)}


def read_lines(service: Service, request: Request, change: Change) -> dict[str, str]:
    """Fill the change from the request's lines; returns the header."""
    longest = service.limits.regular_file * 4 // 3 + 10_000
    header = None
    for line in request.body.lines(service.limits.commit_body, longest):
        if not line.strip():
            continue
        key, value = line_asked(line)
        if header is None:
            if key != "header":
                raise bad_request("A commit begins with its header.")
            header = value
            if not all(isinstance(header.get(name, ""), str) for name in ("summary", "description")):
                raise bad_request("A commit's summary and description are texts.")
        elif key in STEPS:
            STEPS[key](change, value)
        else:
            raise bad_request(f"A commit has no line {key!r}.")
    if header is None:
        raise bad_request("The commit is empty.")
    return header


def line_asked(line: bytes) -> tuple[str, dict]:
    try:
        read = json.loads(line)
        key, value = read["key"], read["value"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise bad_request("A line of the commit is not a JSON object with a key and a value.") from None
    if not isinstance(key, str) or not isinstance(value, dict):
        raise bad_request("A line of the commit has a key and a value of the wrong type.")
    return key, value


def put(change: Change, value: dict) -> None:
    path = check_path(value.get("path"))
    content, encoding = value.get("content", ""), value.get("encoding", "utf-8")
    if not isinstance(content, str) or encoding not in ("base64", "utf-8"):
        raise bad_request(f"What was sent for {path} is neither base64 nor text.")
    change.put(path, decoded(content, path) if encoding == "base64" else content.encode("utf-8", "replace"))


def put_large(change: Change, value: dict) -> None:
    if value.get("algo", "sha256") != "sha256":
        raise unusable("Large files are named by their SHA-256.")
    size = value.get("size")
    if size is not None and type(size) is not int:
        raise bad_request("The size of a large file is no whole number.")
    change.put_large(check_path(value.get("path")), check_sha256(value.get("oid")), size)


def delete(change: Change, value: dict) -> None:
    path = value.get("path")
    change.delete(check_path(path.rstrip("/") if isinstance(path, str) else path))


STEPS = {"file": put, "lfsFile": put_large, "deletedFile": delete, "deletedFolder": delete}

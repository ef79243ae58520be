"""Files and history: list folders, send bytes, show commits, move branches and tags."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from course_utils.hub.server import rows
from course_utils.hub.server.http import FilePart, Response, as_json
from course_utils.hub.server.routing import Routes
from course_utils.hub.server.service import page_of
from course_utils.hub.store.errors import HubError, bad_request, entry_not_found, not_allowed, unusable
from course_utils.hub.store.history import RepoFile, RepoFolder
from course_utils.hub.store.last import last_commits
from course_utils.hub.store.names import check_path
from course_utils.hub.store.refs import BRANCHES, TAGS

if TYPE_CHECKING:
    from course_utils.hub.server.http import Request
    from course_utils.hub.server.service import Service
    from course_utils.hub.store.repository import Repository

routes = Routes()

TREE_PAGE, EXPANDED_PAGE = 1000, 50
MOST_PATHS = 25_000
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


# Lists


@routes.add("GET", "/api/{kind}/{owner}/{name}/tree/{revision}")
@routes.add("GET", "/api/{kind}/{owner}/{name}/tree/{revision}/{path*}")
def tree(
    service: Service, request: Request, kind: str, owner: str, name: str, revision: str, path: str = ""
) -> Response:
    repository = service.repository(request, kind, owner, name)
    commit = repository.head(revision)
    path = path.strip("/")
    entry = repository.history.entry(commit, path) if not path or check_path(path) else None
    if entry is None:
        raise entry_not_found(path, commit)
    if entry.folder:
        items = repository.history.listing(commit, path, request.flag("recursive"))
    else:
        items = [repository.history.describe(path, entry.oid)]
    if request.flag("expand"):
        start = request.number("cursor", 0, 10**9)
        shown = [item.path for item in items[start : start + EXPANDED_PAGE]]
        last = last_commits(repository.history, commit, shown)
        return page_of(
            items, request, service, EXPANDED_PAGE, lambda item: rows.tree_row(item, last.get(item.path))
        )
    return page_of(items, request, service, TREE_PAGE, rows.tree_row)


@routes.add("POST", "/api/{kind}/{owner}/{name}/paths-info/{revision}")
def paths_info(
    service: Service, request: Request, kind: str, owner: str, name: str, revision: str
) -> Response:
    repository = service.repository(request, kind, owner, name)
    commit = repository.head(revision)
    wanted, expand = paths_asked(service, request)
    history, found = repository.history, []
    for path in dict.fromkeys(each.strip("/") for each in wanted):
        entry = history.entry(commit, path)
        if entry is not None:
            found.append(RepoFolder(path, entry.oid) if entry.folder else history.describe(path, entry.oid))
    last = last_commits(history, commit, [each.path for each in found]) if expand else {}
    return as_json([rows.tree_row(each, last.get(each.path)) for each in found])


def paths_asked(service: Service, request: Request) -> tuple[list[str], bool]:
    """(paths, expand) of a body that is a form, as the client sends it, or JSON."""
    from urllib.parse import parse_qs

    if "json" in request.headers.get("Content-Type", ""):
        asked = request.json(service.limits.json_body)
        paths, expand = asked.get("paths", []), asked.get("expand") is True
    else:
        raw = request.body.read(service.limits.json_body)
        try:
            form = parse_qs(
                raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_PATHS + 5
            )
        except ValueError:
            raise bad_request("The form with the paths is malformed, or has too many of them.") from None
        paths, expand = form.get("paths", []), form.get("expand", ["false"])[0].lower() == "true"
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise bad_request('"paths" must be a list of texts.')
    return paths, expand


# Bytes


@routes.add("GET HEAD", "/datasets/{owner}/{name}/resolve/{revision}/{path*}", kind="dataset")
@routes.add("GET HEAD", "/spaces/{owner}/{name}/resolve/{revision}/{path*}", kind="space")
@routes.add("GET HEAD", "/{owner}/{name}/resolve/{revision}/{path*}", kind="model")
@routes.add("GET HEAD", "/api/resolve-cache/{kind}/{owner}/{name}/{revision}/{path*}")
def resolve(
    service: Service, request: Request, kind: str, owner: str, name: str, revision: str, path: str
) -> Response:
    repository, commit, file = asked_file(service, request, kind, owner, name, revision, path)
    body: FilePart | bytes
    if file.large:
        body = FilePart(repository.large_path(file), 0, file.size)
    else:
        body = repository.read(file)
    response = ranged(request, body, file_headers(file, commit))
    if request.method == "GET" and from_the_start(response):
        repository.downloads += 1
    return response


@routes.add("GET HEAD", "/datasets/{owner}/{name}/raw/{revision}/{path*}", kind="dataset")
@routes.add("GET HEAD", "/spaces/{owner}/{name}/raw/{revision}/{path*}", kind="space")
@routes.add("GET HEAD", "/{owner}/{name}/raw/{revision}/{path*}", kind="model")
def raw(
    service: Service, request: Request, kind: str, owner: str, name: str, revision: str, path: str
) -> Response:
    """What stands in git: of a large file, the pointer to it."""
    repository, commit, file = asked_file(service, request, kind, owner, name, revision, path)
    _, body = repository.objects.read(file.oid)
    return ranged(request, body, file_headers(RepoFile(path, file.oid, len(body)), commit))


def asked_file(
    service: Service, request: Request, kind: str, owner: str, name: str, revision: str, path: str
) -> tuple[Repository, str, RepoFile]:
    """(repository, commit, RepoFile) of an address, for who may read the files."""
    repository = service.repository(request, kind, owner, name, "files")
    commit = repository.head(revision)
    file = repository.history.file(commit, check_path(path))
    if file is None:
        raise entry_not_found(path, commit)
    return repository, commit, file


def from_the_start(response: Response) -> bool:
    """Whether an answer begins with a file's first byte: what comes after that
    continues the same download.
    """
    return response.headers.get("Content-Range", "bytes 0-").startswith("bytes 0-")


def ranged(request: Request, body: FilePart | bytes, headers: dict[str, str]) -> Response:
    """The `Response` with the part of `body`, bytes or a `FilePart`, that the request's
    Range header wants: 200, 206 or 416.
    """
    size = body.length if isinstance(body, FilePart) else len(body)
    part = stretch(request.headers.get("Range"), size)
    if part is None:
        return Response(200, body, headers)
    start, length = part
    headers |= {"Content-Range": f"bytes {start}-{start + length - 1}/{size}"}
    if isinstance(body, FilePart):
        return Response(206, FilePart(body.path, start, length), headers)
    return Response(206, body[start : start + length], headers)


def file_headers(file: RepoFile, commit: str) -> dict[str, str]:
    name = file.path.rpartition("/")[2]
    headers = {
        "X-Repo-Commit": commit,
        "ETag": f'"{file.oid}"',
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream" if file.large else "text/plain; charset=utf-8",
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(name)}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if file.large:
        headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
    return headers


def stretch(asked: str | None, size: int) -> tuple[int, int] | None:
    """(start, length) of a Range header; None for no range or several, which get
    the whole file; 416 past its end.
    """
    match = _RANGE.fullmatch(asked.strip()) if asked else None
    if not match or match[1] == match[2] == "":
        return None
    if match[1] == "":  # the last so many bytes
        length = min(int(match[2]), size)
        start = size - length
    else:
        start = int(match[1])
        length = min(int(match[2]) + 1 if match[2] else size, size) - start
    if start >= size or length <= 0:
        raise HubError(416, f"The file has {size:,} bytes.", "", {"Content-Range": f"bytes */{size}"})
    return start, length


# Commits, branches, tags


@routes.add("GET", "/api/{kind}/{owner}/{name}/commits/{revision}")
def commits(service: Service, request: Request, kind: str, owner: str, name: str, revision: str) -> Response:
    repository = service.repository(request, kind, owner, name)
    formatted = "formatted" in request.query.get("expand", [])
    found = list(repository.history.commits(repository.head(revision)))
    answer = page_of(found, request, service, TREE_PAGE, lambda commit: rows.commit_row(commit, formatted))
    answer.headers["X-Total-Count"] = str(len(found))
    return answer


@routes.add("GET", "/api/{kind}/{owner}/{name}/refs")
def refs(service: Service, request: Request, kind: str, owner: str, name: str) -> Response:
    repository = service.repository(request, kind, owner, name)
    return as_json(rows.refs(repository, request.flag("include_prs")))


@routes.add("POST", "/api/{kind}/{owner}/{name}/branch/{branch*}")
def create_branch(
    service: Service, request: Request, kind: str, owner: str, name: str, branch: str
) -> Response:
    asked = request.json(service.limits.json_body)
    repository = service.repository(request, kind, owner, name, "write")
    start = asked.get("startingPoint") or "main"
    if not isinstance(start, str):
        raise bad_request('"startingPoint" must be a revision.')
    commit = repository.head(start)
    repository.set_ref(BRANCHES + branch, commit)
    service.webhooks.reference(repository, BRANCHES + branch, None, commit)
    return as_json({})


@routes.add("DELETE", "/api/{kind}/{owner}/{name}/branch/{branch*}")
def delete_branch(
    service: Service, request: Request, kind: str, owner: str, name: str, branch: str
) -> Response:
    repository = service.repository(request, kind, owner, name, "write")
    if branch == "main":
        raise not_allowed("Cannot delete refs/heads/main")
    old = repository.delete_ref(BRANCHES + branch)
    service.webhooks.reference(repository, BRANCHES + branch, old, None)
    return as_json({})


@routes.add("POST", "/api/{kind}/{owner}/{name}/tag/{revision}")
def create_tag(
    service: Service, request: Request, kind: str, owner: str, name: str, revision: str
) -> Response:
    asked = request.json(service.limits.json_body)
    repository = service.repository(request, kind, owner, name, "write")
    tag, message = asked.get("tag"), asked.get("message")
    if not isinstance(tag, str) or not isinstance(message, str | None):
        raise unusable("A tag needs a name, and a message only as text.")
    commit = repository.head(revision)
    repository.set_ref(TAGS + tag, commit, message, service.must_be_signed_in(request).name)
    service.webhooks.reference(repository, TAGS + tag, None, commit)
    return as_json({})


@routes.add("DELETE", "/api/{kind}/{owner}/{name}/tag/{tag*}")
def delete_tag(service: Service, request: Request, kind: str, owner: str, name: str, tag: str) -> Response:
    repository = service.repository(request, kind, owner, name, "write")
    old = repository.delete_ref(TAGS + tag)
    service.webhooks.reference(repository, TAGS + tag, old, None)
    return as_json({})


@routes.add("POST", "/api/{kind}/{owner}/{name}/super-squash/{branch}")
def super_squash(
    service: Service, request: Request, kind: str, owner: str, name: str, branch: str
) -> Response:
    asked = request.json(service.limits.json_body)
    repository = service.repository(request, kind, owner, name, "write")
    message = asked.get("message") or "Super-squash branch '" + branch + "' using huggingface_hub"
    reference, old, new = repository.squash(branch, service.must_be_signed_in(request).name, message)
    service.webhooks.reference(repository, reference, old, new)
    return as_json({"commitId": new})


@routes.add("GET", "/api/{kind}/{owner}/{name}/compare/{spec}")
def compare(service: Service, request: Request, kind: str, owner: str, name: str, spec: str) -> Response:
    """The files that differ between two revisions, "a..b"."""
    repository = service.repository(request, kind, owner, name)
    before, dots, after = spec.partition("..")
    if not dots:
        raise bad_request("Compare two revisions: a..b")
    changed = repository.history.changed(repository.head(before), repository.head(after.lstrip(".")))
    return as_json([{"path": path, "kind": change_kind(*pair)} for path, pair in changed.items()])


def change_kind(before: RepoFile | None, after: RepoFile | None) -> str:
    return "added" if before is None else "deleted" if after is None else "changed"

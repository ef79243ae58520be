"""Folders and files: what is in them, and who changed it last."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from course_utils.hub.server.http import FilePart, Response
from course_utils.hub.server.pages.frame import render, repository_page, shown
from course_utils.hub.server.pages.preview import preview
from course_utils.hub.server.pages.prose import PICTURES, is_picture
from course_utils.hub.store.errors import entry_not_found
from course_utils.hub.store.history import RepoFolder
from course_utils.hub.store.last import last_commits
from course_utils.hub.store.names import check_path

if TYPE_CHECKING:
    from course_utils.hub.server.http import Request
    from course_utils.hub.server.service import Service
    from course_utils.hub.store.history import RepoFile
    from course_utils.hub.store.repository import Repository

TEXT_BYTES = 200_000
PICTURE_BYTES = 20 * 2**20


@repository_page("/tree/{revision}")
@repository_page("/tree/{revision}/{path*}")
def files(
    service: Service, request: Request, repository: Repository, revision: str, path: str = ""
) -> Response:
    here = shown(request, repository, revision)
    path = path.strip("/")
    entry = repository.history.entry(here.commit, path) if not path or check_path(path) else None
    if entry is None or not entry.folder:
        raise entry_not_found(path, here.commit)
    items = list(repository.history.walk(here.commit, path, recursive=False))
    folders = [each for each in items if isinstance(each, RepoFolder)]
    return render(
        request,
        "files.html",
        repo=here,
        folders=folders,
        files=[each for each in items if each not in folders],
        last=last_commits(repository.history, here.commit, [each.path for each in items]),
        path=path,
        tab="files",
    )


@repository_page("/blob/{revision}/{path*}")
def file(service: Service, request: Request, repository: Repository, revision: str, path: str) -> Response:
    """A file: as a picture, as rows, as text, or as something to save; nothing
    of it for who may not read it.
    """
    here = shown(request, repository, revision)
    found = repository.history.file(here.commit, check_path(path))
    if found is None:
        raise entry_not_found(path, here.commit)
    picture = here.may_read and is_picture(path) and found.size <= PICTURE_BYTES
    return render(
        request,
        "file.html",
        repo=here,
        file=found,
        picture=picture,
        table=preview(repository, found) if here.may_read else None,
        text=text_of(repository, found) if here.may_read and not picture else None,
        path=path,
        tab="files",
    )


def text_of(repository: Repository, file: RepoFile) -> str | None:
    """The text of a small file, or None."""
    if file.large or file.size > TEXT_BYTES:
        return None
    try:
        return repository.read(file).decode()
    except UnicodeDecodeError:
        return None


@repository_page("/show/{revision}/{path*}")
def show(service: Service, request: Request, repository: Repository, revision: str, path: str) -> Response:
    """The bytes of a file, to save; a browser shows none of them but pictures."""
    owner, name = repository.id.split("/")
    service.repository(request, repository.kind, owner, name, "files")
    commit = repository.head(revision)
    found = repository.history.file(commit, check_path(path))
    if found is None:
        raise entry_not_found(path, commit)
    kind = PICTURES.get(path.rpartition(".")[2].lower(), "application/octet-stream")
    # a drawing may carry scripts: it can be part of a page, where none run, but is never a page itself
    shows = is_picture(path) and not kind.endswith("+xml")
    name = quote(path.rpartition("/")[2])
    headers = {
        "Content-Type": kind,
        "Content-Disposition": f"{'inline' if shows else 'attachment'}; filename*=UTF-8''{name}",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    }
    if found.large:
        return Response(200, FilePart(repository.large_path(found), 0, found.size), headers)
    return Response(200, repository.read(found), headers)

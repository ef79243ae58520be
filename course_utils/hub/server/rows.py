"""The JSON that the client reads: a repository, a file, a commit, a reference."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from course_utils.hub.store import cards
from course_utils.hub.store.clock import written
from course_utils.hub.store.errors import StoreError
from course_utils.hub.store.history import RepoFolder, pointer
from course_utils.hub.store.refs import BRANCHES, PULL_REQUESTS, TAGS
from course_utils.hub.store.repository import MAIN

if TYPE_CHECKING:
    from course_utils.hub.store.accounts import Person
    from course_utils.hub.store.cards import Card
    from course_utils.hub.store.history import RepoFile
    from course_utils.hub.store.hub import Pending
    from course_utils.hub.store.objects import Commit
    from course_utils.hub.store.repository import Repository

CONFIG_BYTES = 2**20


def summary(repository: Repository) -> dict:
    """A repository in a list, as the card and the settings of its main branch have
    it; a damaged one is "disabled".
    """
    try:
        return _summary(repository)
    except (StoreError, OSError):
        empty = cards.read("", repository.kind)
        row = listed(repository.kind, repository.id, empty, repository.settings.created)
        row |= {"private": repository.settings.private, "gated": repository.settings.gated, "sha": None}
        return row | {"disabled": True, "sdk": repository.settings.space.get("sdk")}


def _summary(repository: Repository) -> dict:
    refs = repository.refs.read()
    head = refs[MAIN].commit if MAIN in refs else None
    card = repository.card(head) if head else cards.read("", repository.kind)
    row = listed(repository.kind, repository.id, card, repository.settings.created)
    row |= {
        "private": repository.settings.private,
        "gated": repository.settings.gated,
        "sha": head,
        "lastModified": written(repository.changed_at()),
        "downloads": repository.downloads,
        "likes": len(repository.settings.likes),
    }
    if repository.kind == "space":
        row["sdk"] = card.data.get("sdk") or repository.settings.space.get("sdk")
    return row


def pending(waiting: Pending) -> dict:
    """The same of a repository that nobody has looked into yet; it has no commit so far."""
    card = cards.read(waiting.readme, waiting.kind)
    row = listed(waiting.kind, waiting.id, card, waiting.created)
    if waiting.kind == "space":
        row["sdk"] = card.data.get("sdk")
    return row


def listed(kind: str, identifier: str, card: Card, created: int) -> dict:
    row = {
        "_id": identifier,
        "id": identifier,
        "author": identifier.partition("/")[0],
        "private": False,
        "gated": False,
        "disabled": False,
        "createdAt": written(created),
        "lastModified": written(created),
        "downloads": 0,
        "likes": 0,
        "trendingScore": 0,
        "tags": list(card.tags),
        "cardData": card.data,
    }
    if kind == "model":
        row |= {"modelId": identifier}
        for field in ("pipeline_tag", "library_name"):
            if isinstance(card.data.get(field), str):
                row[field] = card.data[field]
    elif kind == "dataset":
        row["description"] = next(
            (line for line in card.text.splitlines() if line and line[0] not in "#<"), ""
        )
    return row


def info(repository: Repository, person: Person | None, revision: str = "main", sizes: bool = False) -> dict:
    """A repository at a revision, with its files; what stands in them only for who may
    read them, but the card for all.
    """
    commit = repository.head(revision)
    files = [file for file in repository.history.walk(commit) if not isinstance(file, RepoFolder)]
    row = summary(repository)
    card = repository.card(commit)
    row |= {
        "sha": commit,
        "lastModified": written(repository.history.commit(commit).time),
        "cardData": card.data,
        "tags": list(card.tags),
        "siblings": [sibling(file, sizes) for file in files],
        "usedStorage": sum(file.size for file in files),
        "spaces": [],
    }
    if repository.kind == "model":
        row["config"] = model_config(repository, commit) if repository.may_read_files(person) else {}
        row["model-index"] = card.data.get("model-index")
        if "library_name" not in row and row["config"].get("architectures"):
            row["library_name"] = "transformers"
    if repository.kind == "space":
        row["runtime"] = runtime(repository)
    return row


def sibling(file: RepoFile, sizes: bool) -> dict:
    row: dict = {"rfilename": file.path}
    if sizes:
        row |= {"size": file.size, "blobId": file.oid}
        if file.large:
            row["lfs"] = lfs(file)
    return row


def lfs(file: RepoFile) -> dict:
    assert file.sha256 is not None  # which every large file has
    return {"sha256": file.sha256, "size": file.size, "pointerSize": len(pointer(file.sha256, file.size))}


def model_config(repository: Repository, commit: str) -> dict:
    """What the Hub shows of config.json."""
    file = repository.history.file(commit, "config.json")
    if file is None or file.size > CONFIG_BYTES:
        return {}
    try:
        config = json.loads(repository.read(file))
    except (ValueError, StoreError, RecursionError):
        return {}
    if not isinstance(config, dict):
        return {}
    return {name: config[name] for name in ("architectures", "model_type") if name in config}


def tree_row(item: RepoFile | RepoFolder, last: Commit | None = None) -> dict:
    """A file or folder in a list. last: the commit that changed it last, if that was asked for."""
    row: dict
    if isinstance(item, RepoFolder):
        row = {"type": "directory", "path": item.path, "oid": item.oid, "size": 0}
    else:
        row = {"type": "file", "path": item.path, "oid": item.oid, "size": item.size}
        if item.large:
            row["lfs"] = {"oid": item.sha256, **lfs(item)}
            del row["lfs"]["sha256"]
    if last is not None:
        row["lastCommit"] = {"id": last.id, "title": last.title, "date": written(last.time)}
    return row


def commit_row(commit: Commit, formatted: bool = False) -> dict:
    row: dict = {
        "id": commit.id,
        "title": commit.title,
        "message": commit.message,
        "authors": [{"user": commit.author}],
        "date": written(commit.time),
        "parents": list(commit.parents),
    }
    if formatted:
        row["formatted"] = {"title": commit.title, "message": commit.message}
    return row


def refs(repository: Repository, pull_requests: bool) -> dict:
    """The branches and tags of a repository, and the pull requests if asked for."""
    groups = {"branches": BRANCHES, "tags": TAGS, "converts": "refs/convert/"}
    if pull_requests:
        groups["pullRequests"] = PULL_REQUESTS
    found = repository.refs.read()
    return {
        group: [
            {"name": name.removeprefix(prefix), "ref": name, "targetCommit": ref.commit}
            for name, ref in sorted(found.items())
            if name.startswith(prefix)
        ]
        for group, prefix in groups.items()
    }


#: The free hardware, and after how many seconds without a visitor a Space on it sleeps: nobody can change
#: that. On paid hardware it never sleeps (None) until somebody says when.
FREE, FREE_SLEEP = "cpu-basic", 48 * 3600


def stage(repository: Repository) -> str:
    """Of a Space: nothing runs here, so one that has its app is stopped, or
    paused where somebody has paused it.
    """
    head = repository.head()
    file = repository.card(head).data.get("app_file") or "app.py"
    names = [file, "Dockerfile", "index.html"] if isinstance(file, str) else ["app.py"]
    if all(repository.history.entry(head, name) is None for name in names):
        return "NO_APP_FILE"
    return "PAUSED" if repository.settings.space.get("paused") else "STOPPED"


def runtime(repository: Repository) -> dict:
    """The state of a Space. No app runs here, and the stage says so."""
    space = repository.settings.space
    hardware = space.get("hardware", FREE)
    return {
        "stage": stage(repository),
        "hardware": {"current": None, "requested": hardware},
        "storage": None,
        "gcTimeout": FREE_SLEEP if hardware == FREE else space.get("sleep"),
        "replicas": {"current": 0, "requested": 1},
        "devMode": False,
        "domains": [],
    }

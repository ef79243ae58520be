"""Commits, branches and tags."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from course_utils.hub.server.pages.diffs import changed_file
from course_utils.hub.server.pages.frame import render, repository_page, shown
from course_utils.hub.store.lines import Effort

if TYPE_CHECKING:
    from course_utils.hub.server.http import Request, Response
    from course_utils.hub.server.service import Service
    from course_utils.hub.store.repository import Repository

COMMITS, DIFF_FILES = 200, 20


@repository_page("/commits/{revision}")
def commits(service: Service, request: Request, repository: Repository, revision: str) -> Response:
    here = shown(request, repository, revision)
    found = list(itertools.islice(repository.history.commits(here.commit), COMMITS))
    names: dict[str, list[str]] = {}
    for name, oid in (*here.branches.items(), *here.versions.items()):
        names.setdefault(oid, []).append(name)
    return render(request, "commits.html", repo=here, commits=found, names=names, tab="commits")


@repository_page("/commit/{revision}")
def commit(service: Service, request: Request, repository: Repository, revision: str) -> Response:
    here = shown(request, repository, revision)
    this = repository.history.commit(here.commit)
    changed = repository.history.changed(this.parents[0] if this.parents else None, this.id)
    effort = Effort()
    files = [
        changed_file(repository, path, *pair, here.may_read, effort)
        for path, pair in itertools.islice(changed.items(), DIFF_FILES)
    ]
    more = len(changed) - len(files)
    return render(request, "commit.html", repo=here, commit=this, changes=files, more=more, tab="commits")


@repository_page("/refs")
def versions(service: Service, request: Request, repository: Repository) -> Response:
    here = shown(request, repository)
    names = {
        title: [(name, repository.history.commit(oid)) for name, oid in sorted(table.items())]
        for title, table in (("Branches", here.branches), ("Tags", here.versions))
    }
    return render(request, "versions.html", repo=here, names=names, tab="versions")

"""Discussions and pull requests, and the page's buttons: comment, merge, close, ask for access."""

from __future__ import annotations

from typing import TYPE_CHECKING

from course_utils.hub.server import community_routes
from course_utils.hub.server.community_routes import as_number, ask_access
from course_utils.hub.server.http import Response
from course_utils.hub.server.pages import diffs
from course_utils.hub.server.pages.frame import address, render, repository_page, shown
from course_utils.hub.server.pages.prose import prose
from course_utils.hub.server.pages.visitor import own_form
from course_utils.hub.store.conversations import Conversations
from course_utils.hub.store.errors import HubError, bad_request

if TYPE_CHECKING:
    from markupsafe import Markup

    from course_utils.hub.server.http import Request
    from course_utils.hub.server.pages.frame import Shown
    from course_utils.hub.server.service import Service
    from course_utils.hub.store.accounts import Person
    from course_utils.hub.store.repository import Repository

HIDDEN = "*This comment has been hidden.*"


@repository_page("/discussions")
def discussions(service: Service, request: Request, repository: Repository) -> Response:
    here = shown(request, repository)
    found = list(reversed(Conversations(repository).rows))
    return render(request, "discussions.html", repo=here, rows=found, tab="community")


@repository_page("/discussions/{number}")
def discussion(service: Service, request: Request, repository: Repository, number: str) -> Response:
    here = shown(request, repository)
    table = Conversations(repository)
    row = table.get(as_number(number))
    alive = row["status"] not in ("merged", "closed")
    mergeable = row["pull_request"] and alive and repository.may_write(request.person)
    return render(
        request,
        "discussion.html",
        repo=here,
        row=row,
        events=[(event, comment(event, repository, here)) for event in row["events"]],
        changes=diffs.of_text(table.diff(row)) if row["pull_request"] and here.may_read else None,
        alive=alive,
        may_merge=mergeable,
        clashes=table.conflicts(row) if mergeable else [],
        may_close=request.person is not None and may_change(table, row, request.person),
        tab="community",
    )


def comment(event: dict, repository: Repository, here: Shown) -> Markup | None:
    """The HTML of a comment; None for other events."""
    if event["type"] != "comment":
        return None
    text = HIDDEN if event.get("hidden") else event["text"]
    return prose(text, repository, here.commit, here.may_read, lower=2, wrap=True)


def may_change(table: Conversations, row: dict, person: Person) -> bool:
    try:
        table.may_change(row, person)
    except HubError:
        return False
    return row["status"] != "merged"


@repository_page("/discussions/{number}/{action}", method="POST")
def act(service: Service, request: Request, repository: Repository, number: str, action: str) -> Response:
    """A button below a discussion: "comment", "merge", or "status" with the field "status"."""
    asked = own_form(service, request)
    if action not in ("comment", "merge", "status"):
        raise HubError(404, f"A discussion has no {action!r}.")
    if action == "comment" and not asked.get("comment", "").strip():
        raise bad_request("The comment is empty.")
    community_routes.act(service, repository, service.must_be_signed_in(request), number, action, asked)
    return Response(303, b"", {"Location": f"{address(repository)}/discussions/{as_number(number)}"})


@repository_page("/ask", method="POST")
def ask(service: Service, request: Request, repository: Repository) -> Response:
    """The button on a gated repository's page."""
    own_form(service, request)
    ask_access(service, request, repository.kind, *repository.id.split("/"))
    return Response(303, b"", {"Location": address(repository)})

"""People among each other: pull requests and discussions, and the gate in front of a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from course_utils.hub.server.http import as_json
from course_utils.hub.server.routing import Routes
from course_utils.hub.store.clock import written
from course_utils.hub.store.conversations import (
    STATUSES,
    Conversations,
    checked_text,
    reference,
)
from course_utils.hub.store.errors import HubError, bad_request

if TYPE_CHECKING:
    from course_utils.hub.server.http import Request, Response
    from course_utils.hub.server.service import Service
    from course_utils.hub.store.accounts import Person
    from course_utils.hub.store.clock import Clock
    from course_utils.hub.store.repository import Repository, Settings

routes = Routes()

PAGE = 50
HERE = "/api/{kind}/{owner}/{name}/discussions"


# Discussions and pull requests


@routes.add("GET", HERE)
def conversations(service: Service, request: Request, kind: str, owner: str, name: str) -> Response:
    repository = service.repository(request, kind, owner, name)
    rows = [row for row in Conversations(repository).rows if wanted(row, request)]
    page = request.number("p", 0, 10**6)
    shown = list(reversed(rows))[page * PAGE : (page + 1) * PAGE]
    found = [row_of(repository, each) for each in shown]
    return as_json(
        {"discussions": found, "count": len(rows), "start": page * PAGE, "numClosedDiscussions": 0}
    )


def wanted(row: dict, request: Request) -> bool:
    kind, status, author = (request.first(name) for name in ("type", "status", "author"))
    return (
        kind in (None, "all", "pull_request" if row["pull_request"] else "discussion")
        and (status in (None, "all") or (status == "open") == (row["status"] in ("open", "draft")))
        and author in (None, row["author"])
    )


def row_of(repository: Repository, row: dict) -> dict:
    return {
        "num": row["num"],
        "title": row["title"],
        "status": row["status"],
        "author": {"name": row["author"]},
        "createdAt": written(row["created"]),
        "isPullRequest": row["pull_request"],
        "repo": {"name": repository.id, "type": repository.kind},
    }


def event_of(event: dict) -> dict:
    """An event as the client reads it."""
    row = {
        "id": event["id"],
        "type": event["type"],
        "author": {"name": event["author"]},
        "createdAt": written(event["time"]),
    }
    if event["type"] == "comment":
        hidden = event.get("hidden", False)
        text = "This comment has been hidden" if hidden else event["text"]
        edits = event.get("edits", [])
        latest = {
            "raw": text,
            "html": "",
            "updatedAt": written(event.get("edited", event["time"])),
            "author": {"name": event["author"]},
        }
        row["data"] = {"edited": bool(edits), "hidden": hidden, "latest": latest, "history": edits}
    elif event["type"] == "status-change":
        row["data"] = {"status": event["status"]}
    elif event["type"] == "title-change":
        row["data"] = {"from": event["from"], "to": event["to"]}
    elif event["type"] == "commit":
        row["data"] = {"subject": event["subject"], "oid": event["oid"]}
    return row


@routes.add("POST", HERE)
def create(service: Service, request: Request, kind: str, owner: str, name: str) -> Response:
    asked = request.json(service.limits.json_body)
    repository = service.repository(request, kind, owner, name)
    person = service.must_write(request)
    pull_request = asked.get("pullRequest") is True
    with repository.lock:
        table = Conversations(repository)
        status = "draft" if pull_request else "open"
        row = table.open(person, asked.get("title"), asked.get("description"), pull_request, status)
        if pull_request:
            table.begin(row)
        table.save()
    service.webhooks.discussion(repository, row, "create", row["events"][0])
    if pull_request:
        service.webhooks.reference(repository, reference(row), None, row["from"])
    return as_json(
        {"num": row["num"], "url": service.discussion_url(repository, row), "pullRequest": pull_request}
    )


@routes.add("GET", HERE + "/{number}")
def details(service: Service, request: Request, kind: str, owner: str, name: str, number: str) -> Response:
    repository = service.repository(request, kind, owner, name)
    table = Conversations(repository)
    row = table.get(as_number(number))
    answer = row_of(repository, row) | {"events": [event_of(each) for each in row["events"]]}
    if row["pull_request"]:
        answer["changes"] = {"base": row["base"], "mergeCommitId": row["merged"]}
        answer["filesWithConflicts"] = table.conflicts(row)
        if request.flag("diff") and repository.may_read_files(
            request.person
        ):  # it holds what stands in the files
            answer["diff"] = table.diff(row)
    return as_json(answer)


def as_number(text: str) -> int:
    if not text.isdecimal() or len(text) > 6:
        raise HubError(404, f"{text!r} is not the number of a discussion.")
    return int(text)


@routes.add("POST", HERE + "/{number}/{action}")
@routes.add("POST", HERE + "/{number}/comment/{comment}/{action}")
def change(
    service: Service,
    request: Request,
    kind: str,
    owner: str,
    name: str,
    number: str,
    action: str,
    comment: str | None = None,
) -> Response:
    asked = request.json(service.limits.json_body)
    repository = service.repository(request, kind, owner, name)
    person = service.must_write(request)
    if comment is None:
        return as_json(act(service, repository, person, number, action, asked))
    with repository.lock:
        table = Conversations(repository)
        row = table.get(as_number(number))
        event = change_comment(table, row, person, action, asked, comment)
        table.save()
    service.webhooks.comment(repository, row, event, "update")
    return as_json({"updatedComment": event_of(event)})


def act(
    service: Service, repository: Repository, person: Person, number: str, action: str, asked: dict
) -> dict:
    """Do one of the `ACTIONS` to a discussion, and tell the webhooks; returns the answer."""
    if action not in ACTIONS:
        raise HubError(404, f"A discussion has no {action!r}.")
    with repository.lock:
        table = Conversations(repository)
        row = table.get(as_number(number))
        before = len(row["events"])
        answer = ACTIONS[action](service, table, row, person, asked)
        table.save()
    for event in row["events"][before:]:
        if event["type"] == "comment":
            service.webhooks.comment(repository, row, event, "create")
        else:
            service.webhooks.discussion(repository, row, "update")
    if action == "merge":
        service.webhooks.commit(repository, row["base"], row["merged"])
    return answer


def add_comment(service: Service, table: Conversations, row: dict, person: Person, asked: dict) -> dict:
    return {
        "newMessage": event_of(table.add(row, person, "comment", text=checked_text(asked.get("comment"))))
    }


def set_title(service: Service, table: Conversations, row: dict, person: Person, asked: dict) -> dict:
    table.may_change(row, person)
    title = asked.get("title")
    if not isinstance(title, str) or not 3 <= len(title.strip()) <= 200:
        raise bad_request("A title has 3 to 200 characters.")
    event = table.add(row, person, "title-change", **{"from": row["title"], "to": title.strip()})
    row["title"] = title.strip()
    return {"newTitle": event_of(event)}


def set_status(service: Service, table: Conversations, row: dict, person: Person, asked: dict) -> dict:
    table.may_change(row, person)
    status = asked.get("status")
    if status not in STATUSES or row["status"] == "merged":
        raise bad_request(f"A discussion is {' or '.join(STATUSES)}; a merged one stays so.")
    row["status"] = status
    event = event_of(table.add(row, person, "status-change", status=status))
    answer = {"newStatus": event}
    if comment := asked.get("comment"):
        answer["newMessage"] = event_of(table.add(row, person, "comment", text=checked_text(comment)))
    return answer


def merge(service: Service, table: Conversations, row: dict, person: Person, asked: dict) -> dict:
    repository = table.repository
    owner, name = repository.id.split("/")
    service.repository(_As(person), repository.kind, owner, name, "write")
    table.merge(row, person, service.store.large, checked_text(asked.get("comment")))
    return event_of(row["events"][-1])


class _As:
    """A stand-in for a request where only the person counts."""

    def __init__(self, person: Person) -> None:
        self.person = person


ACTIONS = {"comment": add_comment, "title": set_title, "status": set_status, "merge": merge}


def change_comment(
    table: Conversations, row: dict, person: Person, action: str, asked: dict, identifier: str
) -> dict:
    event = table.comment(row, identifier)
    if person.name != event["author"] and not table.repository.may_write(person):
        raise HubError(403, "Only its author and those who may write to the repository can change a comment.")
    if action == "edit":
        event.setdefault("edits", []).append({"raw": event["text"], "updatedAt": written(event["time"])})
        event["text"] = checked_text(asked.get("content"))
        event["edited"] = table.repository.clock.now()
    elif action == "hide":
        event["hidden"] = True
    else:
        raise HubError(404, f"A comment has no {action!r}.")
    return event


# The gate


@routes.add("POST", "/datasets/{owner}/{name}/ask-access", kind="dataset")
@routes.add("POST", "/spaces/{owner}/{name}/ask-access", kind="space")
@routes.add("POST", "/{owner}/{name}/ask-access", kind="model")
def ask_access(service: Service, request: Request, kind: str, owner: str, name: str) -> Response:
    """What the button on a gated repository's page does on the Hub."""
    repository = service.repository(request, kind, owner, name)
    person = service.must_be_signed_in(request)
    gate_of(repository)
    with repository.amended() as settings:
        status = "accepted" if settings.gated == "auto" else "pending"
        if settings.access.get(person.name, {}).get("status") not in ("accepted", "rejected"):
            enter(settings, person.name, status, repository.clock)
    return as_json({"status": settings.access[person.name]["status"]})


def gate_of(repository: Repository) -> None:
    if not repository.settings.gated:
        raise bad_request(f"{repository.id} is not gated: everybody may read it.")


def enter(settings: Settings, user: str, status: str, clock: Clock, granted: bool = False) -> None:
    row = {"status": status, "time": clock.now()}
    settings.access[user] = row | ({"granted": True} if granted else {})


@routes.add("GET", "/api/{kind}/{owner}/{name}/user-access-request/{status}")
def access_requests(
    service: Service, request: Request, kind: str, owner: str, name: str, status: str
) -> Response:
    repository = service.repository(request, kind, owner, name, "write")
    gate_of(repository)
    if status not in ("pending", "accepted", "rejected"):
        raise HubError(404, f"There are no {status!r} requests.")
    return as_json(
        [
            {
                "requestId": user,
                "user": {
                    "user": user,
                    "fullname": user,
                    "email": None
                    if row.get("granted")
                    else f"{user}@hub.local",  # who didn't ask, told nothing
                },
                "status": row["status"],
                "timestamp": written(row["time"]),
            }
            for user, row in repository.settings.access.items()
            if row["status"] == status
        ]
    )


@routes.add("POST", "/api/{kind}/{owner}/{name}/user-access-request/handle", granted=False)
@routes.add("POST", "/api/{kind}/{owner}/{name}/user-access-request/grant", granted=True)
def handle_access(
    service: Service, request: Request, kind: str, owner: str, name: str, granted: bool
) -> Response:
    asked = request.json(service.limits.json_body)
    repository = service.repository(request, kind, owner, name, "write")
    gate_of(repository)
    user = asked.get("user") or asked.get("requestId")
    status = "accepted" if granted else asked.get("status")
    if status not in ("pending", "accepted", "rejected"):
        raise bad_request("A request becomes 'pending', 'accepted' or 'rejected'.")
    with repository.amended() as settings:
        now = settings.access.get(user, {}).get("status") if isinstance(user, str) else None
        if not isinstance(user, str) or not service.store.accounts.is_person(user):
            raise HubError(404, f"There is no user {user!r}.")
        if granted and now == "accepted":
            raise bad_request(f"{user} has access already.")
        if not granted and now in (None, status):
            raise HubError(404, f"There is no request of {user} that could become {status}.")
        enter(settings, user, status, repository.clock, granted and now is None)
    return as_json({})

"""Repositories: make, find, describe, rename, hide and delete them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from course_utils.hub.server import rows
from course_utils.hub.server.http import as_json
from course_utils.hub.server.routing import Routes
from course_utils.hub.server.service import page_of
from course_utils.hub.server.space_routes import check_flavor, set_values
from course_utils.hub.store.cards import SPACE_SDKS
from course_utils.hub.store.errors import HubError, bad_request, repository_not_found, unusable
from course_utils.hub.store.names import KINDS
from course_utils.hub.store.repository import GATES

if TYPE_CHECKING:
    from course_utils.hub.server.http import Request, Response
    from course_utils.hub.server.service import Service
    from course_utils.hub.store.repository import Repository

routes = Routes()

PAGE = 1000
SORTS = ("lastModified", "createdAt", "downloads", "likes", "trendingScore")
# What a list leaves out unless it is asked for
DETAILS = ("cardData", "sha", "lastModified")


# One repository


@routes.add("POST", "/api/repos/create")
def create(service: Service, request: Request) -> Response:
    asked = request.json(service.limits.json_body)
    person = service.must_be_signed_in(request)
    owner = asked.get("organization") or person.name
    kind, name = asked.get("type") or "model", asked.get("name")
    if kind not in KINDS:
        raise unusable(f"The local Hub has models, datasets and Spaces, and no {kind!r}.")
    if not isinstance(owner, str) or not isinstance(name, str):
        raise bad_request("A repository needs a name.")
    service.may_create_for(request, owner)
    sdk = asked.get("sdk")
    if kind == "space" and sdk not in SPACE_SDKS:
        raise unusable(f"A Space needs an sdk: {', '.join(SPACE_SDKS)}.")
    if kind == "space" and asked.get("hardware") is not None:
        check_flavor(asked["hardware"])
    identifier, private = f"{owner}/{name}", is_private(asked, False)
    there = service.store.find(kind, identifier)
    if there is not None:  # with its address, which is what `exist_ok=True` hands to the caller
        more = {"url": service.web_url(there), "name": there.id, "id": there.id}
        raise HubError(409, f"You already created this {kind} repo: {there.id}", more=more)
    repository = service.store.create(kind, identifier, private=private, sdk=sdk, author=person.name)
    if kind == "space":
        set_up_space(repository, asked)
    service.webhooks.repository(repository, "create")
    url = service.web_url(repository)
    return as_json({"url": url, "name": repository.id, "id": repository.id})


def is_private(asked: dict, now: bool) -> bool:
    """The visibility that a request asks for, or the present one."""
    visibility = asked.get("visibility")
    if visibility not in (None, "public", "private"):
        raise unusable("The local Hub knows the visibilities 'public' and 'private'.")
    if visibility is not None:
        return visibility == "private"
    private = asked.get("private", now)
    if not isinstance(private, bool):
        raise bad_request('"private" must be true or false.')
    return private


def set_up_space(repository: Repository, asked: dict) -> None:
    with repository.amended() as settings:
        for name in ("variables", "secrets"):
            for pair in asked.get(name) or []:
                set_values(settings, name, pair, repository.clock)
        if asked.get("hardware") is not None:
            settings.space["hardware"] = asked["hardware"]
        if type(asked.get("sleepTimeSeconds")) is int:
            settings.space["sleep"] = asked["sleepTimeSeconds"]


def named(
    service: Service,
    request: Request,
    asked: dict,
    name_field: str = "name",
    owner_field: str = "organization",
    right: str = "write",
) -> Repository:
    """The repository that a body names."""
    person = service.must_be_signed_in(request)
    kind, name, owner = asked.get("type") or "model", asked.get(name_field), asked.get(owner_field)
    if isinstance(name, str) and "/" in name and owner is None:
        owner, _, name = name.partition("/")
    owner = owner or person.name
    if kind not in KINDS or not isinstance(name, str) or not isinstance(owner, str):
        raise bad_request("The request must name a repository: its type and its name.")
    repository = service.store.find(kind, f"{owner}/{name}")
    if repository is None or not repository.may_read(person):
        raise repository_not_found(True)
    return service.repository(request, kind, owner, name, right)


@routes.add("DELETE", "/api/repos/delete")
def delete(service: Service, request: Request) -> Response:
    repository = named(service, request, request.json(service.limits.json_body))
    service.store.delete(repository)
    service.webhooks.repository(repository, "delete")
    return as_json({})


@routes.add("POST", "/api/repos/move")
def move(service: Service, request: Request) -> Response:
    asked = request.json(service.limits.json_body)
    repository = named(service, request, asked, name_field="fromRepo")
    target = asked.get("toRepo")
    if not isinstance(target, str) or target.count("/") != 1:
        raise unusable("Say where to: toRepo must be owner/name.")
    service.may_create_for(request, target.partition("/")[0])
    moved = service.store.move(repository, target)
    service.webhooks.repository(repository, "move", moved)
    return as_json({"url": service.web_url(moved), "name": moved.id})


@routes.add("PUT", "/api/{kind}/{owner}/{name}/settings")
def settings(service: Service, request: Request, kind: str, owner: str, name: str) -> Response:
    asked = request.json(service.limits.json_body)
    repository = service.repository(request, kind, owner, name, "write")
    gated = asked.get("gated", repository.settings.gated)
    if not isinstance(gated, bool | str) or gated not in GATES:
        raise unusable("'gated' is false, 'auto' or 'manual'.")
    with repository.amended() as changed:
        before = changed.private
        changed.private = is_private(asked, before)
        changed.gated = gated
    service.webhooks.settings(repository, **({} if changed.private == before else {"private": not before}))
    return as_json({"private": repository.settings.private, "gated": gated})


@routes.add("GET", "/api/{kind}/{owner}/{name}/auth-check", right="files")
@routes.add("GET", "/api/{kind}/{owner}/{name}/auth-check/write", right="write")
def auth_check(service: Service, request: Request, kind: str, owner: str, name: str, right: str) -> Response:
    service.repository(request, kind, owner, name, right)
    return as_json({})


@routes.add("GET HEAD", "/api/{kind}/{owner}/{name}")
@routes.add("GET HEAD", "/api/{kind}/{owner}/{name}/revision/{revision}")
def describe(
    service: Service, request: Request, kind: str, owner: str, name: str, revision: str = "main"
) -> Response:
    repository = service.repository(request, kind, owner, name)
    row = rows.info(repository, request.person, revision, sizes=request.flag("blobs"))
    return as_json(only(row, request.query.get("expand")))


def only(row: dict, fields: list[str] | None) -> dict:
    """The fields asked for by `expand=`, and what every row has."""
    if not fields:
        return row
    return {name: value for name, value in row.items() if name in {"_id", "id", "modelId", *fields}}


# Lists


@routes.add("GET", "/api/{kind}")
def search(service: Service, request: Request, kind: str) -> Response:
    found = [rows.summary(each) for each in service.store.repositories(kind) if each.may_read(request.person)]
    found += [rows.pending(each) for each in service.store.waiting(kind)]
    found = [row for row in found if fits(row, request)]
    found.sort(key=lambda row: row["id"].lower())
    sort = request.first("sort", "trendingScore")
    if sort not in SORTS:
        raise bad_request(f"sort={sort} is not known; there are {', '.join(SORTS)}.")
    ascending = request.first("direction") == "1"
    found.sort(key=lambda row: row[sort], reverse=not ascending)
    return page_of(found, request, service, PAGE, lambda row: shortened(row, request))


def fits(row: dict, request: Request) -> bool:
    """Whether a repository is one of those that were asked for."""
    words = [word.lower() for text in request.query.get("search", []) for word in text.split()]
    wanted = [tag for text in request.query.get("filter", []) for tag in text.split(",") if tag]
    author, gated, task = request.first("author"), request.first("gated"), request.first("pipeline_tag")
    return (
        all(word in row["id"].lower() for word in words)
        and all(has_tag(row, tag) for tag in wanted)
        and (author is None or row["author"].lower() == author.lower())
        and (gated is None or bool(row["gated"]) == request.flag("gated"))
        and (task is None or row.get("pipeline_tag") == task)
    )


def has_tag(row: dict, tag: str) -> bool:
    """Tags with and without their prefix: `language:fr` finds what a model's card calls `fr`."""
    return (
        tag in row["tags"] or tag.removeprefix("language:") in row["tags"] or f"language:{tag}" in row["tags"]
    )


def shortened(row: dict, request: Request) -> dict:
    if fields := request.query.get("expand"):
        return only(row, fields)
    full = request.flag("full")
    left_out = [
        name for name in DETAILS if not full and not (name == "cardData" and request.flag("cardData"))
    ]
    return {name: value for name, value in row.items() if name not in left_out}


@routes.add("GET", "/api/settings/repositories")
@routes.add("GET", "/api/organizations/{owner}/settings/repositories")
def mine(service: Service, request: Request, owner: str | None = None) -> Response:
    """What `hf repos ls` shows."""
    person = service.must_be_signed_in(request)
    owner = owner or person.name
    found = []
    for each in service.store.repositories():
        if each.owner.lower() == owner.lower() and each.may_read(person):
            info = rows.info(each, person)
            visibility = "private" if each.settings.private else "public"
            found.append(
                {
                    "id": each.id,
                    "type": each.kind,
                    "updatedAt": info["lastModified"],
                    "visibility": visibility,
                    "storage": info["usedStorage"],
                    "storagePercent": 0.0,
                }
            )
    return as_json(found)


@routes.add("GET", "/api/models-tags-by-type", kind="model")
@routes.add("GET", "/api/datasets-tags-by-type", kind="dataset")
def tags_by_type(service: Service, request: Request, kind: str) -> Response:
    found = [rows.summary(each) for each in service.store.repositories(kind) if each.may_read(request.person)]
    found += [rows.pending(each) for each in service.store.waiting(kind)]
    groups: dict[str, list] = {}
    for tag in sorted({tag for row in found for tag in row["tags"]}):
        group = tag.partition(":")[0] if ":" in tag else "other"
        groups.setdefault(group, []).append({"id": tag, "label": tag.rpartition(":")[2], "type": group})
    return as_json(groups)

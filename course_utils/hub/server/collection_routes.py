"""Collections: lists of repositories that somebody has put together, with a note for each."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

from course_utils.hub.server.http import as_json
from course_utils.hub.server.routing import Routes
from course_utils.hub.server.service import page_of
from course_utils.hub.store.clock import written
from course_utils.hub.store.errors import HubError, bad_request, conflict, not_allowed
from course_utils.hub.store.names import KINDS

if TYPE_CHECKING:
    from course_utils.hub.server.http import Request, Response
    from course_utils.hub.server.service import Service
    from course_utils.hub.store.accounts import Person

routes = Routes()

PAGE, MOST_ITEMS = 100, 1000
TITLE_CHARACTERS, TEXT_CHARACTERS = 60, 500
THEMES = ("orange", "blue", "green", "purple", "pink", "indigo")
SORTS = {"lastModified": "updated", "upvotes": "updated", "trending": "updated"}  # nobody votes here
HERE = "/api/collections"
ONE = HERE + "/{owner}/{slug}"


@routes.add("GET", HERE)
def collections(service: Service, request: Request) -> Response:
    owners, items = request.query.get("owner"), request.query.get("item")
    if (sort := request.first("sort", "lastModified")) not in SORTS:
        raise bad_request(f"sort={sort} is not known; there are {', '.join(SORTS)}.")
    found = [
        row
        for row in service.store.collections.rows
        if may_see(row, request.person)
        and (owners is None or row["owner"] in owners)
        and (items is None or any(item_key(each) in items for each in row["items"]))
    ]
    found.sort(key=lambda row: row[SORTS[sort]], reverse=True)
    # the client counts the positions of a list itself
    return page_of(found, request, service, PAGE, lambda row: shown(service, request, row, position=False))


def item_key(item: dict) -> str:
    """An item as the client writes it when it searches: "models/me/thing"."""
    return f"{item['type']}s/{item['id']}"


@routes.add("POST", HERE)
def create(service: Service, request: Request) -> Response:
    asked = request.json(service.limits.json_body)
    person = service.must_write(request)
    owner = asked.get("namespace") or person.name
    if not isinstance(owner, str) or not person.owns(owner):
        raise not_allowed(f"You don't have the rights to create a collection under the namespace {owner!r}.")
    fields = {"description": None, "private": False, "theme": THEMES[0]} | checked(asked)
    if "title" not in fields:
        raise bad_request("A collection needs a title.")
    with service.store.collections.changed() as rows:
        for row in rows:
            if (row["owner"], row["title"]) == (owner, fields["title"]):
                raise HubError(
                    409, f"There is a collection {row['title']!r} already.", more={"slug": row["slug"]}
                )
        now = service.store.clock.now()
        row = {
            "id": secrets.token_hex(12),
            "owner": owner,
            "updated": now,
            "position": len(rows),
            "items": [],
            **fields,
        }
        row["slug"] = slug_of(row)
        rows.append(row)
    return as_json(shown(service, request, row))


def slug_of(row: dict) -> str:
    """The readable part changes with the title; the id at the end is what finds a collection."""
    words = re.sub(r"[^a-z0-9]+", "-", row["title"].lower()).strip("-")
    return f"{row['owner']}/{words}-{row['id']}"


@routes.add("GET", ONE)
def collection(service: Service, request: Request, owner: str, slug: str) -> Response:
    return as_json(shown(service, request, find(service.store.collections.rows, request.person, slug)))


@routes.add("PATCH", ONE)
def update(service: Service, request: Request, owner: str, slug: str) -> Response:
    fields = checked(request.json(service.limits.json_body))
    with changed(service, request, slug) as (_, row):
        row |= fields
        row["slug"] = slug_of(row)
    return as_json({"success": True, "data": shown(service, request, row)})


@routes.add("DELETE", ONE)
def delete(service: Service, request: Request, owner: str, slug: str) -> Response:
    with changed(service, request, slug) as (rows, row):
        rows.remove(row)
    return as_json({"success": True})


@routes.add("POST", ONE + "/items")
@routes.add("POST", ONE + "/item")
def add_item(service: Service, request: Request, owner: str, slug: str) -> Response:
    asked = request.json(service.limits.json_body)
    item, note = asked.get("item"), checked_note(asked)
    if not isinstance(item, dict) or not isinstance(item.get("id"), str) or item["id"].count("/") != 1:
        raise bad_request("An item is a repository: its type and its id.")
    if item.get("type") not in KINDS:
        raise HubError(501, "The local Hub's collections have models, datasets and Spaces, and nothing else.")
    repository = service.repository(request, item["type"], *item["id"].split("/"))
    with changed(service, request, slug) as (_, row):
        if any((each["type"], each["id"]) == (repository.kind, repository.id) for each in row["items"]):
            raise conflict(f"{repository.id} is in this collection already.")
        if len(row["items"]) >= MOST_ITEMS:
            raise conflict(f"A collection has at most {MOST_ITEMS} items.")
        row["items"].append(
            {"_id": secrets.token_hex(12), "type": repository.kind, "id": repository.id, "note": note}
        )
    return as_json(shown(service, request, row))


@routes.add("PATCH", ONE + "/items/{identifier}")
def update_item(service: Service, request: Request, owner: str, slug: str, identifier: str) -> Response:
    asked = request.json(service.limits.json_body)
    with changed(service, request, slug) as (_, row):
        item = item_of(row, identifier)
        if "note" in asked:
            item["note"] = checked_note(asked)
        if "position" in asked:
            row["items"].remove(item)
            row["items"].insert(checked_position(asked), item)
    return as_json({"success": True})


@routes.add("DELETE", ONE + "/items/{identifier}")
def delete_item(service: Service, request: Request, owner: str, slug: str, identifier: str) -> Response:
    with changed(service, request, slug) as (_, row):
        row["items"].remove(item_of(row, identifier))
    return as_json({"success": True})


def item_of(row: dict, identifier: str) -> dict:
    for item in row["items"]:
        if item["_id"] == identifier:
            return item
    raise HubError(404, f"This collection has no item {identifier!r}.")


# Who may, and what is right


def may_see(row: dict, person: Person | None) -> bool:
    return not row["private"] or (person is not None and person.owns(row["owner"]))


def find(rows: list[dict], person: Person | None, slug: str) -> dict:
    """The collection of that address: the id at its end decides.

    404 for one that isn't there, or is not for them.
    """
    for row in rows:
        if slug.rpartition("-")[2] == row["id"] and may_see(row, person):
            return row
    raise HubError(404, "There is no such collection.")


@contextlib.contextmanager
def changed(service: Service, request: Request, slug: str) -> Iterator[tuple[list[dict], dict]]:
    """(all rows, the collection) to change, for its owner; written at the end of the block."""
    person = service.must_write(request)
    with service.store.collections.changed() as rows:
        row = find(rows, person, slug)
        if not person.owns(row["owner"]):
            raise not_allowed(f"This collection belongs to {row['owner']}.")
        row["updated"] = service.store.clock.now()
        yield rows, row


def checked(asked: dict) -> dict:
    """The fields of a collection that a request sets."""
    fields = {
        name: asked[name]
        for name in ("title", "description", "private", "theme", "position")
        if name in asked
    }
    title, text = fields.get("title", "x"), fields.get("description")
    if not isinstance(title, str) or not 0 < len(title.strip()) <= TITLE_CHARACTERS:
        raise bad_request(f"A collection's title has 1 to {TITLE_CHARACTERS} characters.")
    if not isinstance(text, str | None) or len(text or "") > TEXT_CHARACTERS:
        raise bad_request(f"A collection's description has at most {TEXT_CHARACTERS} characters.")
    if not isinstance(fields.get("private", False), bool):
        raise bad_request('"private" must be true or false.')
    if fields.get("theme", THEMES[0]) not in THEMES:
        raise bad_request(f"A collection's theme is one of {', '.join(THEMES)}.")
    if "position" in fields:
        checked_position(fields)
    return fields


def checked_position(asked: dict) -> int:
    if type(asked["position"]) is not int or not 0 <= asked["position"] < 10**6:
        raise bad_request("A position is a whole number from 0.")
    return asked["position"]


def checked_note(asked: dict) -> str | None:
    note = asked.get("note")
    if not isinstance(note, str | None) or len(note or "") > TEXT_CHARACTERS:
        raise bad_request(f"A note has at most {TEXT_CHARACTERS} characters.")
    return note


def shown(service: Service, request: Request, row: dict, position: bool = True) -> dict:
    """A collection as the client reads it, with those of its repositories that the asker may see."""
    seen = []
    for place, item in enumerate(row["items"]):
        repository = service.store.find(item["type"], item["id"]) or service.store.moved(
            item["type"], item["id"]
        )
        if repository is not None and repository.may_read(request.person):
            note = None if item["note"] is None else {"text": item["note"]}
            seen.append(item | {"id": repository.id, "position": place, "note": note})
    kept = ("slug", "title", "description", "owner", "private", "theme", *(["position"] if position else []))
    more = {"items": seen, "lastUpdated": written(row["updated"]), "upvotes": 0}
    return {name: row[name] for name in kept} | more

"""Webhooks: somebody's wish to be told of changes. How they are told is in `webhooks`."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from course_utils.hub.server.http import as_json
from course_utils.hub.server.routing import Routes
from course_utils.hub.server.webhooks import ELSEWHERE, is_local
from course_utils.hub.store.errors import HubError, bad_request

if TYPE_CHECKING:
    from course_utils.hub.server.http import Request, Response
    from course_utils.hub.server.service import Service
    from course_utils.hub.store.accounts import Person

routes = Routes()

DOMAINS = ("repo", "discussion")
WATCHED = ("dataset", "model", "org", "space", "user")
TEXT_CHARACTERS, MOST_WATCHED = 1000, 100
HERE = "/api/settings/webhooks"


@routes.add("GET", HERE)
def webhooks(service: Service, request: Request) -> Response:
    person = service.must_be_signed_in(request)
    return as_json([shown(row) for row in service.store.webhooks.rows if row["owner"] == person.name])


@routes.add("POST", HERE)
def create(service: Service, request: Request) -> Response:
    asked = request.json(service.limits.json_body)
    person = service.must_write(request)
    row = {"id": secrets.token_hex(12), "owner": person.name, "disabled": False}
    row |= {"watched": [], "domains": list(DOMAINS)} | checked(asked)
    if "url" not in row:
        raise bad_request("A webhook needs the address that is to be called.")
    with service.store.webhooks.changed() as rows:
        rows.append(row)
    return answer(row)


@routes.add("GET", HERE + "/{identifier}")
def webhook(service: Service, request: Request, identifier: str) -> Response:
    person = service.must_be_signed_in(request)
    return answer(mine(service.store.webhooks.rows, person, identifier))


@routes.add("POST", HERE + "/{identifier}")
def update(service: Service, request: Request, identifier: str) -> Response:
    return change(service, request, identifier, checked(request.json(service.limits.json_body)))


@routes.add("POST", HERE + "/{identifier}/enable", disabled=False)
@routes.add("POST", HERE + "/{identifier}/disable", disabled=True)
def switch(service: Service, request: Request, identifier: str, disabled: bool) -> Response:
    return change(service, request, identifier, {"disabled": disabled})


def change(service: Service, request: Request, identifier: str, fields: dict) -> Response:
    person = service.must_write(request)
    with service.store.webhooks.changed() as rows:
        row = mine(rows, person, identifier)
        row |= fields
    return answer(row)


@routes.add("DELETE", HERE + "/{identifier}")
def delete(service: Service, request: Request, identifier: str) -> Response:
    person = service.must_write(request)
    with service.store.webhooks.changed() as rows:
        rows.remove(mine(rows, person, identifier))
    return as_json({})


def mine(rows: list[dict], person: Person, identifier: str) -> dict:
    for row in rows:
        if row["id"] == identifier and row["owner"] == person.name:
            return row
    raise HubError(404, f"You have no webhook {identifier!r}.")


def answer(row: dict) -> Response:
    """A webhook as the client reads it. Of one that is never called it prints the warning beside it."""
    headers = {} if is_local(row["url"]) else {"X-HF-Warning": f"webhook {row['id']}; {ELSEWHERE}"}
    return as_json({"webhook": shown(row)}, headers=headers)


def shown(row: dict) -> dict:
    return {"job": None, "secret": None, **{name: value for name, value in row.items() if name != "owner"}}


def checked(asked: dict) -> dict:
    """The fields of a webhook that a request sets."""
    if asked.get("jobSourceId") is not None:
        raise HubError(501, "The local Hub has no jobs. The real one, huggingface.co, does.")
    fields = {name: asked[name] for name in ("url", "secret") if asked.get(name) is not None}
    for name, value in fields.items():
        if not isinstance(value, str) or len(value) > TEXT_CHARACTERS:
            raise bad_request(f"'{name}' is a text of at most {TEXT_CHARACTERS} characters.")
        if not value.isascii() or not value.isprintable():  # it goes into the head of a request
            raise bad_request(f"'{name}' is a text of ASCII characters.")
    if "url" in fields and not is_address(fields["url"]):
        raise bad_request("The address of a webhook begins with http:// or https:// and names a host.")
    if asked.get("domains") is not None:
        fields["domains"] = several(asked["domains"], "domains", lambda each: each in DOMAINS)
    if asked.get("watched"):
        fields["watched"] = several(asked["watched"], "watched", is_watched)
    return fields


def is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def is_watched(item: object) -> bool:
    return (
        isinstance(item, dict)
        and item.keys() == {"type", "name"}
        and item["type"] in WATCHED
        and isinstance(item["name"], str)
    )


def several(value: object, name: str, fits: Callable) -> list:
    if not isinstance(value, list) or len(value) > MOST_WATCHED or not all(map(fits, value)):
        raise bad_request(f"'{name}' has something that is none of: {', '.join(DOMAINS + WATCHED)}.")
    return value

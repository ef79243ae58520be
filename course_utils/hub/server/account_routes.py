"""Accounts: who am I, who is somebody, is this card good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from course_utils.hub.server.http import as_json
from course_utils.hub.server.routing import Routes
from course_utils.hub.store import cards
from course_utils.hub.store.clock import written
from course_utils.hub.store.errors import HubError, bad_request

if TYPE_CHECKING:
    from course_utils.hub.server.http import Request, Response
    from course_utils.hub.server.service import Service

routes = Routes()


@routes.add("GET", "/api/whoami-v2")
def whoami(service: Service, request: Request) -> Response:
    person = service.must_be_signed_in(request)
    token = {"displayName": "local", "role": person.role, "createdAt": written(0)}
    return as_json(
        {
            "type": "user",
            "id": person.name,
            "name": person.name,
            "fullname": person.name,
            "email": f"{person.name}@hub.local",
            "emailVerified": True,
            "canPay": False,
            "isPro": False,
            "periodEnd": None,
            "avatarUrl": "",
            "orgs": [organisation(name) for name in person.organisations],
            "auth": {"type": "access_token", "accessToken": token},
        }
    )


def organisation(name: str) -> dict:
    return {
        "type": "org",
        "id": name,
        "name": name,
        "fullname": name,
        "avatarUrl": "",
        "isEnterprise": False,
        "canPay": False,
        "email": None,
        "periodEnd": None,
        "roleInOrg": "write",
    }


@routes.add("GET", "/api/users/{name}/overview")
@routes.add("GET", "/api/organizations/{name}/overview")
def overview(service: Service, request: Request, name: str) -> Response:
    accounts = service.store.accounts
    if not accounts.exists(name):
        raise HubError(404, f"There is no {name!r} here.")
    if request.segments[1] == "organizations":
        return as_json(organisation(name) | {"details": "", "isVerified": False})
    return as_json(overview_of(service, request, name))


@routes.add("GET", "/api/organizations/{name}/members")
def members(service: Service, request: Request, name: str) -> Response:
    people = service.store.accounts.members(name)
    return as_json([overview_of(service, request, each) for each in people])


def overview_of(service: Service, request: Request, name: str) -> dict:
    """A person, with how many repositories of theirs the one who asks may see."""
    mine = [
        each for each in service.store.repositories() if each.owner == name and each.may_read(request.person)
    ]
    counts = {
        f"num{kind.title()}s": sum(each.kind == kind for each in mine)
        for kind in ("model", "dataset", "space")
    }
    orgs = [organisation(each) for each in service.store.accounts.person(name).organisations]
    return {
        "user": name,
        "fullname": name,
        "type": "user",
        "isPro": False,
        "avatarUrl": "",
        "orgs": orgs,
        **counts,
    }


@routes.add("POST", "/api/validate-yaml")
def validate_card(service: Service, request: Request) -> Response:
    """The client asks this before every commit of a README.md. 400 with the errors if there are any."""
    asked = request.json(service.limits.json_body)
    content, kind = asked.get("content"), asked.get("repoType", "model")
    if not isinstance(content, str):
        raise bad_request('"content" must be the text of a card.')
    errors, warnings = cards.problems(content, kind if kind in ("model", "dataset", "space") else "model")
    answer = {
        "errors": [{"message": text} for text in errors],
        "warnings": [{"message": text} for text in warnings],
    }
    return as_json(answer, 400 if errors else 200)

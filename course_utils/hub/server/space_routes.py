"""Spaces: their variables, secrets and wishes for hardware.

Nothing is run here, and the runtime's stage says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from course_utils.hub.server import rows
from course_utils.hub.server.http import as_json
from course_utils.hub.server.routing import Routes
from course_utils.hub.store.clock import written
from course_utils.hub.store.errors import bad_request, unusable

if TYPE_CHECKING:
    from course_utils.hub.server.http import Request, Response
    from course_utils.hub.server.service import Service
    from course_utils.hub.store.clock import Clock
    from course_utils.hub.store.repository import Settings

routes = Routes()

MOST_VALUES, VALUE_CHARACTERS = 200, 10_000
HERE = "/api/spaces/{owner}/{name}"


def set_values(settings: Settings, name: str, asked: object, clock: Clock) -> None:
    """Enter one {"key", "value", "description"?}.

    A secret's value is not kept: nothing runs that could use it.
    """
    if not isinstance(asked, dict):
        raise bad_request("A variable has a key and a value.")
    label, value, about = asked.get("key"), asked.get("value", ""), asked.get("description")
    if not isinstance(label, str) or not label.isidentifier() or len(label) > 100:
        raise unusable(f"{label!r} can't be the name of a variable: use letters, digits and '_'.")
    if not isinstance(value, str) or len(value) > VALUE_CHARACTERS or not isinstance(about, str | None):
        raise unusable(f"The value of {label} must be a text of at most {VALUE_CHARACTERS:,} characters.")
    table = settings.space.setdefault(name, {})
    if label not in table and len(table) >= MOST_VALUES:
        raise unusable(f"A Space has at most {MOST_VALUES} {name}.")
    row = {"key": label, "description": about, "updatedAt": written(clock.now())}
    table[label] = row if name == "secrets" else row | {"value": value}


@routes.add("GET POST DELETE", HERE + "/secrets", which="secrets")
@routes.add("GET POST DELETE", HERE + "/variables", which="variables")
def values(service: Service, request: Request, owner: str, name: str, which: str) -> Response:
    repository = service.repository(request, "space", owner, name, "write")
    if request.method != "GET":
        asked = request.json(service.limits.json_body)
        with repository.amended() as settings:
            if request.method == "POST":
                set_values(settings, which, asked, repository.clock)
            else:
                settings.space.get(which, {}).pop(str(asked.get("key")), None)
        service.webhooks.settings(repository)
    return as_json(repository.settings.space.get(which, {}))


@routes.add("GET", HERE + "/runtime")
def runtime(service: Service, request: Request, owner: str, name: str) -> Response:
    return as_json(rows.runtime(service.repository(request, "space", owner, name)))


def check_flavor(flavor: object) -> str:
    """The name of a kind of hardware that Spaces can have."""
    from huggingface_hub import SpaceHardware

    known = [each.value for each in SpaceHardware]
    if flavor not in known:
        raise bad_request(
            f"'flavor' must name a kind of hardware: {', '.join(known)}; not {str(flavor)[:50]!r}."
        )
    return str(flavor)


@routes.add("POST", HERE + "/pause", paused=True)
@routes.add("POST", HERE + "/restart", paused=False)
def set_paused(service: Service, request: Request, owner: str, name: str, paused: bool) -> Response:
    repository = service.repository(request, "space", owner, name, "write")
    if repository.card(repository.head()).data.get("sdk") == "static":
        raise bad_request("A static Space is always running: it can't be paused or restarted.")
    return changed(service, request, owner, name, paused=paused)


@routes.add("POST", HERE + "/hardware")
def hardware(service: Service, request: Request, owner: str, name: str) -> Response:
    asked = request.json(service.limits.json_body)
    wish: dict[str, Any] = {"hardware": check_flavor(asked.get("flavor"))}
    if type(asked.get("sleepTimeSeconds")) is int:
        wish["sleep"] = asked["sleepTimeSeconds"]
    return changed(service, request, owner, name, **wish)


@routes.add("POST", HERE + "/sleeptime")
def sleep_time(service: Service, request: Request, owner: str, name: str) -> Response:
    seconds = request.json(service.limits.json_body).get("seconds")
    if type(seconds) is not int:
        raise bad_request("'seconds' must be a whole number.")
    return changed(service, request, owner, name, sleep=seconds)


def changed(service: Service, request: Request, owner: str, name: str, **fields: Any) -> Response:
    repository = service.repository(request, "space", owner, name, "write")
    with repository.amended() as settings:
        settings.space |= fields
    service.webhooks.settings(repository)
    return as_json(rows.runtime(repository))

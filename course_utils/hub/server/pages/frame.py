"""What all pages share: their addresses, their frame, what they know of a repository, and errors as pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from course_utils.hub.server.http import Response
from course_utils.hub.server.pages.visitor import visitor
from course_utils.hub.server.routing import PREFIX, Routes
from course_utils.hub.store.clock import moment
from course_utils.hub.store.errors import HubError, StoreError
from course_utils.hub.store.refs import BRANCHES, TAGS

if TYPE_CHECKING:
    from course_utils.hub.server.http import Request
    from course_utils.hub.server.service import Service
    from course_utils.hub.store.repository import Repository

routes = Routes()

SECURITY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
KIND_TITLES = {"model": "Models", "dataset": "Datasets", "space": "Spaces"}


def page(method: str, *patterns: str, **fixed: object) -> Callable:
    """Register a page: its function gets the visitor as the request's person,
    and its errors become pages too.
    """

    def register(function: Callable) -> Callable:
        def shown(service: Service, request: Request, **values: Any) -> Response:
            request.person = visitor(service, request)
            try:
                return function(service, request, **values)
            except (HubError, StoreError) as error:
                return error_page(service, request, error)

        return routes.add(method, *patterns, **fixed)(shown)

    return register


def every_kind(tail: str) -> list[tuple[str, str]]:
    """The address of a page for each kind of repository, with the kind as a value."""
    return [(kind, f"/{PREFIX[kind]}{{owner}}/{{name}}{tail}") for kind in ("dataset", "space", "model")]


def repository_page(tail: str, method: str = "GET HEAD") -> Callable:
    """Register a page of one repository, for each kind; the function gets the
    repository, which the visitor may see.
    """

    def register(function: Callable) -> Callable:
        def shown(
            service: Service, request: Request, kind: str, owner: str, name: str, **values: Any
        ) -> Response:
            return function(service, request, service.repository(request, kind, owner, name), **values)

        for kind, pattern in every_kind(tail):
            page(method, pattern, kind=kind)(shown)
        return function

    return register


def render(request: Request, name: str, status: int = 200, **values: Any) -> Response:
    template = templates().get_template(name)
    html = template.render(visitor=request.person, here=request.path, kinds=KIND_TITLES, **values)
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": SECURITY,
        "Referrer-Policy": "same-origin",  # with "no-referrer" a browser hides where a form comes from
        "Cache-Control": "no-store",
    }
    # half a character, as JSON can hold one, is no text
    return Response(status, html.encode(errors="replace"), headers)


_TEMPLATES: list = []


def templates() -> Any:
    if not _TEMPLATES:
        import jinja2

        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("course_utils.hub.server"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        environment.filters |= {
            "size": size_text,
            "moment": moment_text,
            "day": day_text,
            "quoted": quote,
            "segment": lambda text: quote(text, safe=""),
        }
        _TEMPLATES.append(environment)
    return _TEMPLATES[0]


def size_text(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def moment_text(seconds: int) -> str:
    return moment(seconds).strftime("%d %B %Y, %H:%M UTC").lstrip("0")


def day_text(seconds: int) -> str:
    return moment(seconds).strftime("%d %b %Y").lstrip("0")


@dataclass(frozen=True)
class Shown:
    """What every page of a repository needs. commit: the id that `revision` stands for now."""

    kind: str
    id: str
    owner: str
    name: str
    address: str
    private: bool
    gated: object
    tags: tuple
    revision: str
    commit: str
    branches: dict
    versions: dict
    may_read: bool
    asked: str | None


def shown(request: Request, repository: Repository, revision: str = "main") -> Shown:
    commit = repository.head(revision)
    asked = repository.settings.access.get(request.person.name) if request.person else None
    return Shown(
        kind=repository.kind,
        id=repository.id,
        owner=repository.owner,
        name=repository.id.partition("/")[2],
        address=address(repository),
        private=repository.settings.private,
        gated=repository.settings.gated,
        tags=repository.card(commit).tags,
        revision=revision,
        commit=commit,
        branches=repository.history.named(BRANCHES),
        versions=repository.history.named(TAGS),
        may_read=repository.may_read_files(request.person),
        asked=asked["status"] if asked else None,
    )


def address(repository: Repository) -> str:
    return f"/{PREFIX[repository.kind]}{repository.id}"


def error_page(service: Service, request: Request, error: HubError | StoreError) -> Response:
    status = error.status if isinstance(error, HubError) else 500
    if status == 307:
        raise error
    message = error.message if isinstance(error, HubError) else f"This repository is damaged: {error}."
    if isinstance(error, HubError) and error.code == "RepoNotFound":
        message = "There is no such repository, or you may not see it."
    return render(request, "error.html", status, code=status, message=message)

"""The lists of repositories, people, and what the browser asks for besides."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from course_utils.hub.server import rows
from course_utils.hub.server.http import Response
from course_utils.hub.server.pages.frame import KIND_TITLES, page, render, routes
from course_utils.hub.server.pages.visitor import cookie_name
from course_utils.hub.server.repository_routes import fits
from course_utils.hub.server.routing import PREFIX
from course_utils.hub.store.errors import HubError

if TYPE_CHECKING:
    from course_utils.hub.server.http import Request
    from course_utils.hub.server.service import Service

LISTED = 200
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" '
    'fill="#0b5c5c"/><path d="M4 3v10M12 3v10M4 8h8" stroke="#fff" stroke-width="2" fill="none"/></svg>'
)


@routes.add("GET HEAD", "/style.css")
def style(service: Service, request: Request) -> Response:
    text = resources.files("course_utils.hub.server").joinpath("style.css").read_bytes()
    return Response(200, text, {"Content-Type": "text/css; charset=utf-8", "Cache-Control": "max-age=60"})


@routes.add("GET HEAD", "/icon.svg")
def icon(service: Service, request: Request) -> Response:
    return Response(200, ICON.encode(), {"Content-Type": "image/svg+xml", "Cache-Control": "max-age=60"})


@page("GET HEAD", "/")
def front(service: Service, request: Request) -> Response:
    if (key := request.first("key")) is not None:
        if key not in service.page_keys:
            raise HubError(403, "This address is from another Hub, or from before it was started again.")
        cookie = f"{cookie_name(service)}={key}; HttpOnly; SameSite=Strict; Path=/"
        return Response(303, b"", {"Location": "/", "Set-Cookie": cookie, "Referrer-Policy": "no-referrer"})
    return list_page(service, request, None)


@page("GET HEAD", "/models", kind="model")
@page("GET HEAD", "/datasets", kind="dataset")
@page("GET HEAD", "/spaces", kind="space")
def of_kind(service: Service, request: Request, kind: str) -> Response:
    return list_page(service, request, kind)


@page("GET HEAD", "/{owner}")
def person(service: Service, request: Request, owner: str) -> Response:
    if not service.store.accounts.exists(owner):
        raise HubError(404, f"There is no {owner!r} here.")
    return list_page(service, request, None, owner)


def list_page(service: Service, request: Request, kind: str | None, owner: str | None = None) -> Response:
    found = [
        (each.kind, rows.summary(each))
        for each in service.store.repositories(kind)
        if each.may_read(request.person)
    ]
    found += [(each.kind, rows.pending(each)) for each in service.store.waiting(kind)]
    wanted = [
        (kind_of, row | {"address": f"/{PREFIX[kind_of]}{row['id']}", "updated": row["lastModified"][:10]})
        for kind_of, row in found
        if fits(row, request) and owner in (None, row["author"])
    ]
    wanted.sort(key=lambda pair: (pair[1]["updated"], pair[1]["id"]), reverse=True)
    groups = {
        each: [row for kind_of, row in wanted if kind_of == each][:LISTED]
        for each in KIND_TITLES
        if kind in (None, each)
    }
    search, tag = request.first("search", ""), request.first("filter", "")
    return render(request, "list.html", groups=groups, kind=kind, owner=owner, search=search, tag=tag)

"""Who looks at a page, and whether a form is the Hub's own.

A person is known by a cookie that `hub.page` sets; the API never looks at it, so a page of some other server
on this machine can do nothing with it but send forms, and those are told by their origin.
"""

from __future__ import annotations

import secrets
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from course_utils.hub.store.errors import HubError, bad_request

if TYPE_CHECKING:
    from course_utils.hub.server.http import Request
    from course_utils.hub.server.service import Service
    from course_utils.hub.store.accounts import Person

FORM_BYTES, FORM_FIELDS = 2**20, 20


def sign_in_key(service: Service, name: str) -> str:
    """The secret that opens the page as that person."""
    for key, owner in service.page_keys.items():
        if owner == name:
            return key
    key = secrets.token_urlsafe(24)
    service.page_keys[key] = name
    return key


def cookie_name(service: Service) -> str:
    return f"course_hub_{service.url.rpartition(':')[2]}"


def visitor(service: Service, request: Request) -> Person | None:
    """The `Person` in front of the browser, or None."""
    try:
        cookie = SimpleCookie(request.headers.get("Cookie", "")).get(cookie_name(service))
    except CookieError:
        cookie = None
    name = service.page_keys.get(cookie.value) if cookie else None
    return service.store.accounts.person(name) if name else None


def own_form(service: Service, request: Request) -> dict[str, str]:
    """{field: text} of a form on the Hub's own page; 403 unless the browser says that it was sent from there.

    The cookie alone proves nothing: to a browser all servers at 127.0.0.1 are one site, and send it along.
    """
    here = f"http://{request.headers.get('Host', '')}".lower()
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if request.headers.get("Origin", "").lower() != here or site != "same-origin":
        raise HubError(403, "This button works on the Hub's own page only.")
    service.must_be_signed_in(request)
    try:
        fields = parse_qs(request.body.read(FORM_BYTES).decode(), errors="strict", max_num_fields=FORM_FIELDS)
    except ValueError:
        raise bad_request("The form is malformed.") from None
    return {name: values[0].replace("\r\n", "\n") for name, values in fields.items()}

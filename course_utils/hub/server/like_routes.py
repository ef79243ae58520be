"""Likes: who likes which repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from course_utils.hub.server.http import as_json
from course_utils.hub.server.routing import Routes
from course_utils.hub.store.clock import written
from course_utils.hub.store.errors import HubError

if TYPE_CHECKING:
    from course_utils.hub.server.http import Request, Response
    from course_utils.hub.server.service import Service

routes = Routes()


@routes.add("POST DELETE", "/api/{kind}/{owner}/{name}/like")
def like(service: Service, request: Request, kind: str, owner: str, name: str) -> Response:
    repository = service.repository(request, kind, owner, name)
    person = service.must_be_signed_in(request)
    with repository.amended() as settings:
        others = [each for each in settings.likes if each != person.name]
        settings.likes = [*others, person.name] if request.method == "POST" else others
    return as_json({"likes": len(repository.settings.likes)})


@routes.add("GET", "/api/{kind}/{owner}/{name}/likers")
def likers(service: Service, request: Request, kind: str, owner: str, name: str) -> Response:
    repository = service.repository(request, kind, owner, name)
    return as_json(
        [
            {"user": each, "fullname": each, "avatarUrl": "", "type": "user"}
            for each in repository.settings.likes
        ]
    )


@routes.add("GET", "/api/users/{user}/likes")
def liked(service: Service, request: Request, user: str) -> Response:
    """The repositories that a user likes, as far as the asker may see them."""
    if not service.store.accounts.is_person(user):
        raise HubError(404, f"There is no user {user!r} here.")
    return as_json(
        [
            {"repo": {"name": each.id, "type": each.kind}, "createdAt": written(each.settings.created)}
            for each in service.store.repositories()
            if user in each.settings.likes and each.may_read(request.person)
        ]
    )

"""What the real Hub has and this one has not: one table of addresses, each with what is missing there.

README.md has the list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from course_utils.hub.server.http import Response
from course_utils.hub.server.routing import Routes
from course_utils.hub.store.errors import HubError

if TYPE_CHECKING:
    from course_utils.hub.server.http import Request
    from course_utils.hub.server.service import Service

routes = Routes()

EVERY_METHOD = "GET HEAD POST PUT PATCH DELETE"
HERE = "/api/{kind}/{owner}/{name}"
GAPS = {
    HERE + "/duplicate": "duplication of repositories; upload the files once more",
    HERE + "/lfs-files/{rest*}": "list of large files with sizes and uploaders",
    HERE + "/resource-group/{rest*}": "resource groups",
    HERE + "/eval-results/{rest*}": "leaderboards",
    "/api/spaces/{owner}/{name}/volumes": "volumes for Spaces",
    "/api/spaces/{owner}/{name}/storage": "storage for Spaces",
    "/api/spaces/{owner}/{name}/dev-mode": "dev mode for Spaces",
    "/api/spaces/{owner}/{name}/logs/{rest*}": "logs of Spaces, as it runs none",
    "/api/organizations/{name}/followers": "followers",
    "/api/organizations/{name}/avatar": "avatars",
    "/api/users/{name}/followers": "followers",
    "/api/users/{name}/following": "followers",
    "/api/users/{name}/avatar": "avatars",
    "/api/collections/{owner}/{slug}/resource-group": "resource groups",
    "/api/jobs/{rest*}": "jobs",
    "/api/scheduled-jobs/{rest*}": "jobs",
    "/api/buckets/{rest*}": "buckets",
    "/api/papers/{rest*}": "papers",
    "/api/daily_papers/{rest*}": "papers",
    "/api/kernels/{rest*}": "kernels",
    "/api/settings/{rest*}": "account settings",
    "/api/telemetry/{rest*}": "telemetry",
    "/api/inference-endpoints/{rest*}": "inference",
    "/oauth/{rest*}": "sign-in through a browser; use a token",
}
KINDS = {"": "model", "datasets/": "dataset", "spaces/": "space"}
GIT = (
    "info/refs",
    "git-upload-pack",
    "git-receive-pack",
    "HEAD",
    "objects/{rest*}",
    "info/lfs/locks/{rest*}",
)


def _gap(service: Service, request: Request, what: str, **values: Any) -> None:
    raise HubError(501, f"The local Hub has no {what}. The real one, huggingface.co, does.")


for _pattern, _what in GAPS.items():
    routes.add(EVERY_METHOD, _pattern, what=_what)(_gap)


def _git(service: Service, request: Request, **values: Any) -> Response:
    """git shows a person what comes as plain text."""
    folder = f"{service.store.root}/repositories"
    sentence = (
        "The local Hub has no git over HTTP. Its repositories are folders that git can clone: see "
        f"{folder}.\n"
    )
    return Response(501, sentence.encode(), {"Content-Type": "text/plain; charset=utf-8"})


for _prefix in KINDS:
    for _tail in GIT:
        for _name in ("{name}", "{name.git}"):
            routes.add(EVERY_METHOD, f"/{_prefix}{{owner}}/{_name}/{_tail}")(_git)

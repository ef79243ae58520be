"""All routes of the server in the order in which they are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from course_utils.hub.server import (
    account_routes,
    collection_routes,
    community_routes,
    file_routes,
    gap_routes,
    like_routes,
    pages,
    repository_routes,
    space_routes,
    upload_routes,
    webhook_routes,
)
from course_utils.hub.server.service import Service

if TYPE_CHECKING:
    from course_utils.hub.store.hub import HubStore

TABLES = (
    account_routes,
    space_routes,
    repository_routes,
    file_routes,
    upload_routes,
    community_routes,
    like_routes,
    collection_routes,
    webhook_routes,
    gap_routes,
    pages,
)


def service(store: HubStore) -> Service:
    """The `Service` of a Hub."""
    return Service(store, [module.routes for module in TABLES])

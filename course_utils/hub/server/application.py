"""All routes of the server in the order in which they are asked."""

from course_utils.hub.server import (
    account_routes,
    community_routes,
    file_routes,
    repository_routes,
    space_routes,
    upload_routes,
)
from course_utils.hub.server.service import Service

TABLES = (account_routes, space_routes, repository_routes, file_routes, upload_routes, community_routes)


def service(store, first_user):
    """The `Service` of a Hub. first_user: whose eyes the signed-in web page has."""
    made = Service(store, [module.routes for module in TABLES])
    made.page_person = first_user
    return made

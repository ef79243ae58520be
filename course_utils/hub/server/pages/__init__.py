"""The web page for people: repositories, files, cards, commits, versions, discussions, and who may read.

Everything else is done with the client; the page has four kinds of buttons: asking for access to a gated
repository, comments, merging a pull request, closing a discussion. Pages carry no scripts, and the browser is
told to run none. What strangers have
written is shown as `prose` makes it: sanitised, with pictures of the repository
itself and nothing from elsewhere.
"""

from course_utils.hub.server.pages import card, community, files, front, history
from course_utils.hub.server.pages.frame import routes
from course_utils.hub.server.pages.visitor import sign_in_key

__all__ = ["card", "community", "files", "front", "history", "routes", "sign_in_key"]

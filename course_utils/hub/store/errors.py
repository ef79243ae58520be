"""What can go wrong, in the words that the client library acts on.

The client picks its exception by the status and the error code; the sentence is for the person.
"""

from __future__ import annotations

REPAIR = "The owner of this Hub can stop it and run `course hub --repair`."


class HubError(Exception):
    """A request that can't be fulfilled: an HTTP status, a sentence and the code that names the exception.

    more: further fields of the answer, for the client.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str = "",
        headers: dict[str, str] | None = None,
        more: dict | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = headers or {}
        self.more = more or {}


class StoreError(ValueError):
    """Stored or handed-over data that is not what it says it is: malformed, too
    much, or not of its own hash.
    """


def bad_request(message: str) -> HubError:
    return HubError(400, message)


def not_allowed(message: str) -> HubError:
    return HubError(403, message)


def conflict(message: str) -> HubError:
    return HubError(409, message)


def unusable(message: str) -> HubError:
    """Well-formed, but against the rules: a bad path, name or value."""
    return HubError(422, message)


def repository_not_found(signed_in: bool) -> HubError:
    """Says the same of a private repository and of none: who may not read it isn't told that it exists."""
    if signed_in:
        return HubError(404, "Repository not found", "RepoNotFound")
    return HubError(401, "Invalid username or password.", "RepoNotFound")


def revision_not_found(revision: str) -> HubError:
    return HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def entry_not_found(path: str, commit: str) -> HubError:
    """The commit goes along: the client remembers that this commit has no such file."""
    return HubError(404, f"Entry not found: {path}", "EntryNotFound", {"X-Repo-Commit": commit})

"""What an exercise needs on a Hub besides the learner's own work: repositories
of others, and others at work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from course_utils.hub.local import LocalHub


def stock(hub: LocalHub, repositories: Iterable[dict]) -> None:
    """Put repositories of other people on a `LocalHub`: a list of what `LocalHub.seed` takes, as dicts."""
    for repository in repositories:
        hub.seed(**repository)


def attention(hub: LocalHub, models: Mapping[str, Sequence[int]]) -> None:
    """Give models of a `LocalHub` likes and downloads as if others had come: {id: (likes, downloads)}."""
    for identifier, (likes, downloads) in models.items():
        repository = hub._store.find("model", identifier)
        if repository is None:
            raise LookupError(f"there is no model {identifier} on this Hub")
        with repository.amended() as settings:
            settings.likes = [f"guest-{number}" for number in range(likes)]
        repository.downloads = downloads


class Colleague:
    """Somebody who adds a line to a file whenever they are let: `colleague()`.

    `plan` says to which file, and which lines, one for each time; when there are no more, nothing happens.
    """

    def __init__(self, hub: LocalHub) -> None:
        self._hub = hub
        self._repo_id, self._path = "", ""
        self._lines: list[str] = []

    def plan(self, repo_id: str, path: str, lines: list[str]) -> None:
        self._repo_id, self._path, self._lines = repo_id, path, list(lines)

    def __call__(self) -> None:
        if self._lines:
            text = self._hub.repo(self._repo_id).text(self._path) + self._lines.pop(0) + "\n"
            self._hub.seed(self._repo_id, {self._path: text}, message="Add a line")

"""Looking at a repository without a client and without a server: for checks, for tests, for curiosity."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from course_utils.hub.store import cards
from course_utils.hub.store.clock import moment
from course_utils.hub.store.errors import HubError
from course_utils.hub.store.history import RepoFile
from course_utils.hub.store.refs import BRANCHES, TAGS

if TYPE_CHECKING:
    from course_utils.hub.store.cards import Card


@dataclass(frozen=True)
class CommitView:
    """A commit. `title` is the first line of its message, `message` the rest; `date` is in UTC."""

    id: str
    title: str
    message: str
    author: str
    date: datetime.datetime
    parents: tuple


@dataclass(frozen=True)
class Conversation:
    """A discussion or pull request. status: "open", "closed", "draft" or
    "merged". target: the branch, or None.
    """

    number: int
    title: str
    status: str
    author: str
    is_pull_request: bool
    target: str | None


class RepositoryView:
    """One repository, read-only. `source` is a `Repository`, the same from a
    snapshot, or None if there is none.

    Everything but `exists`, `kind`, `id`, `owner` and `name` raises LookupError where there is
    no such repository, revision or file.
    """

    def __init__(self, kind: str, identifier: str, source: Any) -> None:
        self.kind = kind
        self.id = source.id if source else identifier
        self._source = source

    def __repr__(self) -> str:
        return f"<{self.kind} {self.id}{'' if self.exists else ', which is not there'}>"

    @property
    def exists(self) -> bool:
        return self._source is not None

    @property
    def owner(self) -> str:
        return self.id.partition("/")[0]

    @property
    def name(self) -> str:
        return self.id.partition("/")[2]

    @property
    def private(self) -> bool:
        return self._there.settings.private

    @property
    def gated(self) -> bool | str:
        """False, "auto" or "manual"."""
        return self._there.settings.gated

    @property
    def sdk(self) -> str | None:
        """Of a Space: "gradio", "docker", "static", …; None otherwise."""
        if self.kind != "space":
            return None
        card = self.card()
        return (card.data.get("sdk") if card else None) or self._there.settings.space.get("sdk")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Of a Space: the names of its secrets, sorted. Nobody can read a value, and none is kept."""
        return tuple(sorted(self._there.settings.space.get("secrets", {})))

    @property
    def variables(self) -> dict[str, str]:
        """Of a Space: its variables, which everybody may read."""
        return {key: row["value"] for key, row in self._there.settings.space.get("variables", {}).items()}

    @property
    def hardware(self) -> str | None:
        """Of a Space: the hardware that was asked for; None otherwise."""
        return self._there.settings.space.get("hardware", "cpu-basic") if self.kind == "space" else None

    @property
    def access(self) -> dict[str, str]:
        """The gate's book: {user: "pending" | "accepted" | "rejected"}."""
        return {user: row.get("status") for user, row in self._there.settings.access.items()}

    @property
    def branches(self) -> dict[str, str]:
        return self._there.history.named(BRANCHES)

    @property
    def tags(self) -> dict[str, str]:
        return self._there.history.named(TAGS)

    @property
    def pull_requests(self) -> tuple[Conversation, ...]:
        """The `Conversation` of each pull request and discussion, the first first."""
        return tuple(
            Conversation(
                row["num"], row["title"], row["status"], row["author"], row["pull_request"], row.get("base")
            )
            for row in self._there.conversations()
        )

    def may_read(self, user: str | None = None) -> bool:
        """Whether that user (None: anybody) may read the files."""
        return self._there.may_read_files(self._there.person(user))

    def may_write(self, user: str | None) -> bool:
        return self._there.may_write(self._there.person(user))

    def head(self, revision: str = "main") -> str:
        """The commit id of a branch, tag, pull request ("refs/pr/1") or id, short or long."""
        try:
            return self._there.history.resolve(revision)
        except HubError:
            known = ", ".join([*self.branches, *self.tags])
            raise LookupError(f"{self.id} has no revision {revision!r}; it has {known}.") from None

    def commits(self, revision: str = "main") -> tuple[CommitView, ...]:
        """The `CommitView` of a revision and of all before it, newest first."""
        return tuple(
            CommitView(
                each.id,
                each.title,
                each.message,
                each.author,
                moment(each.time),
                each.parents,
            )
            for each in self._there.history.commits(self.head(revision))
        )

    def files(self, revision: str = "main") -> tuple[str, ...]:
        """The paths of a revision, sorted."""
        return tuple(sorted(self._there.history.files(self.head(revision))))

    def file(self, path: str, revision: str = "main") -> RepoFile:
        """A `RepoFile`: .path .size .oid .large .sha256."""
        found = self._there.history.file(self.head(revision), path)
        if found is None:
            raise LookupError(f"{self.id} has no file {path!r} at {revision!r}.")
        return found

    def read(self, path: str, revision: str = "main") -> bytes:
        """The bytes of a file."""
        return self._there.read(self.file(path, revision))

    def text(self, path: str, revision: str = "main") -> str:
        """The text of a file; ValueError if it isn't UTF-8."""
        return self.read(path, revision).decode()

    def folder(self, revision: str = "main") -> dict[str, bytes]:
        """{path: bytes} of all files."""
        return {path: self.read(path, revision) for path in self.files(revision)}

    def card(self, revision: str = "main") -> Card | None:
        """The `Card` of a revision (.data .text .tags), or None without README.md."""
        found = self._there.history.file(self.head(revision), "README.md")
        if found is None:
            return None
        return cards.read(self._there.read(found).decode("utf-8", "replace"), self.kind)

    @property
    def _there(self) -> Any:
        if self._source is None:
            raise LookupError(f"There is no {self.kind} {self.id}.")
        return self._source


class StoreView:
    """All repositories of a Hub, read-only. find(kind, id): a source for `RepositoryView`, or None."""

    def __init__(self, find: Callable, everything: Callable) -> None:
        self._find = find
        self._everything = everything

    def repo(self, identifier: str, kind: str = "model") -> RepositoryView:
        """The `RepositoryView` of that id; its `exists` tells whether it is there."""
        return RepositoryView(kind, identifier, self._find(kind, identifier))

    def repos(self, kind: str | None = None, owner: str | None = None) -> tuple[RepositoryView, ...]:
        """The views of all repositories, or of one kind, or of one owner."""
        return tuple(
            RepositoryView(each.kind, each.id, each)
            for each in self._everything()
            if kind in (None, each.kind) and owner in (None, each.owner)
        )

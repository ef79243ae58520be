"""The store of a whole Hub: its folder, its repositories, its people. Rules, and no HTTP.

hub.lock         held while a server runs: two never share a folder
accounts.json    people and organisations
tokens.json      readable by its owner alone
repositories/    models/me/my-model.git/ …: see `repository`. Folders are in lower case, hub.json has the name
large/           large files by SHA-256
scratch/, trash/ what isn't complete yet, what is being deleted; emptied at every start
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from course_utils.hub.store import disk
from course_utils.hub.store.accounts import Accounts
from course_utils.hub.store.clock import Clock
from course_utils.hub.store.errors import REPAIR, HubError, StoreError, conflict, unusable
from course_utils.hub.store.large import LargeFiles, place_in
from course_utils.hub.store.limits import Limits
from course_utils.hub.store.names import KINDS, split_id
from course_utils.hub.store.repository import GIT_ATTRIBUTES, MAIN, Repository, Settings, folder_size
from course_utils.hub.store.tables import Table

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from course_utils.hub.store.accounts import Person


class RootInUse(RuntimeError):
    """Another server holds this folder."""


@dataclass(frozen=True)
class Pending:
    """A repository that is made when somebody first looks into it. `readme` is enough to list and search it.

    make(store): makes it.
    """

    kind: str
    id: str
    readme: str
    created: int
    make: Callable[[HubStore], None]


@dataclass(frozen=True)
class Damaged:
    """A repository whose folder can't be read, so nobody gets it; the others are served.

    `id` is in lower case.
    """

    kind: str
    id: str
    folder: Path
    why: str


class HubStore:
    """All that a Hub knows. `open` it before use; only one process can."""

    def __init__(self, root: str | Path, limits: Limits | None = None, clock: Clock | None = None) -> None:
        self.root = Path(root)
        self.limits = limits or Limits()
        self.clock = clock or Clock()
        self.scratch = self.root / "scratch"
        self._trash = self.root / "trash"
        self._repositories: dict[tuple[str, str], Repository] = {}
        self._formerly: dict[tuple[str, str], Repository] = {}
        self.pending: dict[tuple[str, str], Pending] = {}
        self.damaged: dict[tuple[str, str], Damaged] = {}
        self._uploaded: dict[str, set[str]] = {}  # sha256 -> who has shown that they have the bytes
        self._making = threading.RLock()
        self._lock: BaseFileLock | None = None

    # Life

    def open(self) -> HubStore:
        from filelock import FileLock, Timeout

        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(self.root / "hub.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RootInUse(
                f"Another Hub is running in {self.root}. Use that one, stop it, or choose another folder."
            ) from None
        self._lock = lock
        try:
            self._begin()
        except BaseException:
            self.close()
            raise
        return self

    def _begin(self) -> None:
        for folder in (self.scratch, self._trash):  # what a server that died left unfinished
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        (self.root / "large").mkdir(exist_ok=True)
        self.large = LargeFiles(self.root / "large", self.scratch)
        self.accounts = Accounts(self.root, self.scratch)
        self.collections = Table(self.root / "collections.json", self.scratch)
        self.webhooks = Table(self.root / "webhooks.json", self.scratch)
        self._load()
        self.large.drop_unused()
        self._used = folder_size(self.root)

    def close(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _load(self) -> None:
        for folder in sorted(self.root.glob("repositories/*/*/*.git")):
            try:
                self._admit(self._loaded(folder))
            except (StoreError, HubError, OSError) as error:
                kind, identifier = named_by(folder)
                self.damaged[key(kind, identifier)] = Damaged(kind, identifier, folder, str(error))
        self.accounts.complete({each.owner for each in self._repositories.values()})

    def _loaded(self, folder: Path) -> Repository:
        repository = Repository(folder, self.scratch, self.limits, self.clock)
        place = self._place(repository.kind, repository.id)
        if place == folder:
            return repository
        if place.exists():
            raise StoreError(
                f"hub.json says that it is {repository.id}, and there is another one of that name"
            )
        place.parent.mkdir(parents=True, exist_ok=True)  # a move that was cut off between its two steps
        os.replace(folder, place)
        return Repository(place, self.scratch, self.limits, self.clock)

    def troubles(self) -> list[str]:
        """What was found damaged at the start, a sentence each."""
        repositories = [
            f"The {each.kind} {each.id} is damaged: {each.why}." for each in self.damaged.values()
        ]
        return [*self.accounts.troubles, *repositories]

    def _admit(self, repository: Repository) -> None:
        self._repositories[key(repository.kind, repository.id)] = repository
        for old in repository.settings.formerly:
            self._formerly[key(repository.kind, old)] = repository

    def _place(self, kind: str, identifier: str) -> Path:
        owner, name = split_id(identifier)
        return self.root / "repositories" / f"{kind}s" / owner.lower() / f"{name.lower()}.git"

    # Finding

    def find(self, kind: str, identifier: str) -> Repository | None:
        """The `Repository` of that id, in whatever case, or None. A pending one is made now."""
        wanted = key(kind, identifier)
        if wanted not in self._repositories and wanted in self.pending:
            with self._making:
                if wanted not in self._repositories:
                    self.pending[wanted].make(self)
        return self._repositories.get(wanted)

    def moved(self, kind: str, identifier: str) -> Repository | None:
        """The repository that had this id before it was moved, or None."""
        return self._formerly.get(key(kind, identifier))

    def repositories(self, kind: str | None = None) -> list[Repository]:
        """Those that exist, by kind and id; pending ones are not among them."""
        found = [each for each in self._repositories.values() if kind in (None, each.kind)]
        return sorted(found, key=lambda each: (each.kind, each.id.lower()))

    def waiting(self, kind: str | None = None) -> list[Pending]:
        """The pending ones that nobody has looked into yet."""
        return [
            each
            for wanted, each in self.pending.items()
            if wanted not in self._repositories and kind in (None, each.kind)
        ]

    # Making, moving, deleting

    def create(
        self,
        kind: str,
        identifier: str,
        private: bool = False,
        sdk: str | None = None,
        time: str | None = None,
        author: str | None = None,
        seeded: bool = False,
        fill: Callable | None = None,
    ) -> Repository:
        """A new repository with its first commit; 409 if there is one of that name, in whatever case.

        fill(repository): what to do to it before anybody can see it. time: a clock
        of its own until then, as text.
        """
        if kind not in KINDS:
            raise unusable(f"A repository is a {', '.join(KINDS)}; not {kind!r}.")
        owner, name = split_id(identifier)
        self.room_for(0)
        clock = self.clock if time is None else Clock(time)
        settings = Settings(kind, f"{owner}/{name}", clock.now(), private=private, seeded=seeded)
        first = {".gitattributes": GIT_ATTRIBUTES}
        if kind == "space":
            settings.space = {"sdk": sdk}
            first["README.md"] = f"---\ntitle: {name}\nsdk: {sdk}\napp_file: app.py\n---\n"
        with self._making:
            self._check_free(kind, identifier, seeded)
            aside = self.scratch / f"new-{uuid.uuid4().hex}"
            try:
                made = Repository.make(aside, settings, self.scratch, self.limits, clock)
                with made.change(self.large) as change:
                    for path, text in first.items():
                        change.put(path, text.encode())
                    change.commit(MAIN, author or owner, "initial commit")
                if fill:
                    fill(made)
                return self._settle(aside, kind, identifier)
            finally:
                shutil.rmtree(aside, ignore_errors=True)  # of what could not be completed

    def _settle(self, aside: Path, kind: str, identifier: str) -> Repository:
        """Put a complete repository under its name."""
        place = self._place(kind, identifier)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(aside, place)
        repository = Repository(place, self.scratch, self.limits, self.clock)
        self._admit(repository)
        self._formerly.pop(key(kind, identifier), None)
        return repository

    def _check_free(self, kind: str, identifier: str, seeding: bool = False) -> None:
        wanted = key(kind, identifier)
        if wanted in self.damaged:
            raise conflict(f"There is a damaged {kind} {identifier}. {REPAIR}")
        if wanted in self._repositories or (wanted in self.pending and not seeding):
            raise conflict(f"You already created this {kind} repo: {identifier}")
        if len(self._repositories) >= self.limits.repositories:
            raise HubError(
                507, f"This Hub holds {self.limits.repositories:,} repositories and takes no more."
            )

    def delete(self, repository: Repository) -> None:
        with self._making, repository.lock:
            grave = self._trash / uuid.uuid4().hex
            os.replace(repository.folder, grave)
            self._forget(repository)
        shutil.rmtree(
            grave, ignore_errors=True
        )  # large files that nobody holds any more go at the next start

    def _forget(self, repository: Repository) -> None:
        del self._repositories[key(repository.kind, repository.id)]
        for old in repository.settings.formerly:
            self._formerly.pop(key(repository.kind, old), None)

    def move(self, repository: Repository, identifier: str) -> Repository:
        """Give a repository another id; the old one leads to it from now on."""
        owner, name = split_id(identifier)
        with self._making, repository.lock:
            kind, settings = repository.kind, repository.settings
            wanted = key(kind, identifier)
            taken = any(wanted in table for table in (self._repositories, self.pending, self.damaged))
            if taken and wanted != key(kind, repository.id):
                raise conflict(f"A {kind} repository called {identifier} already exists")
            names = [*settings.formerly, settings.id]
            formerly = [each for each in names if key(kind, each) != wanted]
            there = dataclasses.replace(settings, id=f"{owner}/{name}", formerly=formerly)
            place = self._place(kind, there.id)
            place.parent.mkdir(parents=True, exist_ok=True)
            # hub.json last: a server that dies in between finds the folder astray and puts it back
            try:
                with disk.replacing([(place / "hub.json", there.as_file())], self.scratch):
                    os.replace(repository.folder, place)
            except OSError:
                if not repository.folder.exists():
                    os.replace(place, repository.folder)
                raise
            self._forget(repository)
            moved = Repository(place, self.scratch, self.limits, self.clock)
            self._admit(moved)
            return moved

    # Large files and room

    def room_for(self, size: int, arrived: bool = False) -> None:
        """507 unless `size` more bytes fit, by the Hub's limit and by the disk;
        `arrived`: they lie there already.
        """
        if self._used + size > self.limits.total:
            raise HubError(
                507, f"This Hub holds at most {self.limits.total:,} bytes. Delete a repository to make room."
            )
        free = shutil.disk_usage(self.root).free
        if free - (0 if arrived else size) < self.limits.free_disk:
            raise HubError(507, f"The disk is full: {free:,} bytes are free. Nothing was changed.")

    def took(self, size: int) -> None:
        """Count bytes that have arrived."""
        self._used += size

    def shown(self, person: Person, sha256: str) -> None:
        """Remember that somebody has uploaded, and so has, these bytes."""
        self._uploaded.setdefault(sha256, set()).add(person.name)

    def has_shown(self, person: Person, sha256: str) -> bool:
        return person.name in self._uploaded.get(sha256, ())

    def may_have(self, person: Person, sha256: str) -> bool:
        """Whether somebody may use a large file by its hash: they uploaded it, or
        may read a repository with it.
        """
        if self.has_shown(person, sha256):
            return True
        return any(
            place_in(each.folder, sha256).exists() and each.may_read_files(person)
            for each in self.repositories()
        )


def named_by(folder: Path) -> tuple[str, str]:
    """(kind, id in lower case) that a repository's folder has by its place."""
    return folder.parent.parent.name.removesuffix(
        "s"
    ), f"{folder.parent.name}/{folder.name.removesuffix('.git')}"


def key(kind: str, identifier: str) -> tuple[str, str]:
    """What makes a repository unique: kind and id, without regard to case."""
    return kind, identifier.lower()

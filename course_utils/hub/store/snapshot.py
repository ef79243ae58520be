"""A Hub's state as plain data, to cross the border between a learner's process and the
grader's, and back into a view.

    {"format": 1,
     "accounts": {"people": {name: [organisation, …]}}, "repositories": [{"settings": {…}, "refs": {name:
     [commit, tag or None]}, "objects": {"commit": [bytes, …], …},
                       "large": [bytes, …], "conversations": [{…}, …]}, …]}

Nothing in it is believed: ids are not handed over but computed from the bytes, and everything that is reached
from the references is followed once, within bounds.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_utils.hub.store import disk
from course_utils.hub.store.accounts import Person
from course_utils.hub.store.clock import Clock
from course_utils.hub.store.errors import HubError, StoreError
from course_utils.hub.store.history import History
from course_utils.hub.store.hub import key
from course_utils.hub.store.limits import Limits
from course_utils.hub.store.names import KINDS, check_ref, split_id
from course_utils.hub.store.objects import KINDS as OBJECT_KINDS
from course_utils.hub.store.objects import PackedObjects
from course_utils.hub.store.refs import BRANCHES, PULL_REQUESTS, TAGS, FixedRefs, Ref
from course_utils.hub.store.repository import Repository, Settings
from course_utils.hub.store.view import StoreView

if TYPE_CHECKING:
    from course_utils.hub.store.history import RepoFile
    from course_utils.hub.store.objects import LooseObjects

FORMAT = 1
MOST_REPOSITORIES = 200
SNAPSHOT_LIMITS = Limits(files=20_000)
MOST_OBJECTS = 50_000


# Out


def take(repositories: Iterable[Repository], people: dict) -> dict:
    """The snapshot of some `Repository`s of one Hub. people: {name: [organisation, …]}."""
    return {
        "format": FORMAT,
        "accounts": {"people": people},
        "repositories": [_packed(each) for each in repositories],
    }


def _packed(repository: Repository) -> dict:
    with repository.lock:
        refs = repository.refs.read()
        objects: dict[str, list[bytes]] = {kind: [] for kind in OBJECT_KINDS}
        large: list[bytes] = []
        seen: set[str] = set()
        for ref in refs.values():
            if ref.tag:
                objects["tag"].append(repository.objects.read(ref.tag)[1])
            for file in _reach(repository.history, repository.objects, ref.commit, objects, seen):
                large.append(repository.read(file))
        return {
            "settings": dataclasses.asdict(repository.settings),
            "refs": {name: [ref.commit, ref.tag] for name, ref in refs.items()},
            "objects": objects,
            "large": large,
            "conversations": repository.conversations(),
        }


def _reach(
    history: History, objects: LooseObjects, start: str, found: dict[str, list[bytes]], seen: set[str]
) -> Iterator[RepoFile]:
    """Collect the bytes of every object below a commit into `found`; yields each large file once."""
    for commit in history.commits(start):
        if commit.id in seen:
            continue
        seen.add(commit.id)
        found["commit"].append(objects.read(commit.id)[1])
        waiting = [commit.tree]
        while waiting:
            tree = waiting.pop()
            if tree in seen:
                continue
            seen.add(tree)
            found["tree"].append(objects.read(tree)[1])
            for entry in history.tree(tree).values():
                if entry.folder:
                    waiting.append(entry.oid)
                elif entry.oid not in seen:
                    seen.add(entry.oid)
                    found["blob"].append(objects.read(entry.oid)[1])
                    file = history.describe(entry.name, entry.oid)
                    if file.sha256 and file.sha256 not in seen:
                        seen.add(file.sha256)
                        yield file


# In


def open_store(source: object) -> StoreView:
    """A read-only view of a Hub from a snapshot or from a Hub's folder, whoever made it. See `StoreView`.

    source: what `hub.snapshot()` gave, or the path of a Hub's folder (a server may be running in it). Raises
    StoreError, with a sentence that says what is wrong, for anything that no Hub would have written.
    """
    try:
        if isinstance(source, str | os.PathLike):
            found = _from_folder(Path(source))
        else:
            found = _from_snapshot(source)
    except StoreError:
        raise
    except HubError as error:
        raise StoreError(error.message) from error
    except (KeyError, TypeError, ValueError, AttributeError, OSError, OverflowError) as error:
        raise StoreError(f"the Hub's state is malformed: {type(error).__name__}") from error
    table = {key(each.kind, each.id): each for each in found}
    if len(table) != len(found):
        raise StoreError("the Hub's state has a repository twice")
    return StoreView(lambda kind, identifier: table.get(key(kind, identifier)), lambda: found)


def _from_snapshot(value: object) -> list[SnapshotRepository]:
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise StoreError("this is no snapshot of a Hub")
    people = value["accounts"]["people"]
    persons = {str(name): Person(str(name), "write", tuple(map(str, orgs))) for name, orgs in people.items()}
    rows = value["repositories"]
    if type(rows) is not list or len(rows) > MOST_REPOSITORIES:
        raise StoreError(f"a snapshot holds at most {MOST_REPOSITORIES} repositories")
    return [SnapshotRepository(row, persons) for row in rows]


def _from_folder(root: Path) -> list[SnapshotRepository]:
    """Through a snapshot as well, so that everything is hashed on the way."""
    known = disk.read_json(root / "accounts.json", None)
    if known is None:
        raise StoreError(f"{root} is no Hub's folder")
    folders = sorted(root.glob("repositories/*/*/*.git"))[: MOST_REPOSITORIES + 1]
    repositories = [
        Repository(each, root / "scratch", SNAPSHOT_LIMITS, Clock(), verify=True) for each in folders
    ]
    return _from_snapshot(take(repositories, known["people"]))


class SnapshotRepository:
    """A repository from a snapshot: what `RepositoryView` needs, all of it verified."""

    may_read = Repository.may_read
    may_read_files = Repository.may_read_files
    may_write = Repository.may_write

    def __init__(self, row: dict, persons: dict[str, Person]) -> None:
        self.settings = _checked_settings(row["settings"])
        self._persons = persons
        self._conversations = _checked_conversations(row["conversations"])
        contents = [
            (kind, data) for kind in OBJECT_KINDS for data in row["objects"].get(kind, ()) if _is_bytes(data)
        ]
        if len(contents) > MOST_OBJECTS:
            raise StoreError(f"a repository of a snapshot has more than {MOST_OBJECTS:,} objects")
        objects = PackedObjects(contents)
        self._large = {hashlib.sha256(data).hexdigest(): data for data in row["large"] if _is_bytes(data)}
        self.history = History(objects, FixedRefs(_checked_refs(row["refs"], objects)), SNAPSHOT_LIMITS)
        self._follow()

    def _follow(self) -> None:
        """Look at everything once: a repository that opens is whole."""
        seen = set()
        for name in (BRANCHES, TAGS, PULL_REQUESTS):
            for commit in set(self.history.named(name).values()):
                for each in self.history.commits(commit):
                    if each.id not in seen:
                        seen.add(each.id)
                        for file in self.history.files(each.id).values():
                            self._check_large(file)

    def _check_large(self, file: RepoFile) -> None:
        if file.sha256 and len(self._large.get(file.sha256, b"")) != file.size:
            raise StoreError(f"the bytes of the large file {file.path} are missing")

    @property
    def id(self) -> str:
        return self.settings.id

    @property
    def kind(self) -> str:
        return self.settings.kind

    @property
    def owner(self) -> str:
        return self.settings.id.partition("/")[0]

    def read(self, file: RepoFile) -> bytes:
        return self._large[file.sha256] if file.sha256 else self.history.objects.read(file.oid)[1]

    def conversations(self) -> list[dict]:
        return self._conversations

    def person(self, name: str | None) -> Person | None:
        return None if name is None else self._persons.get(name, Person(name, "write"))


def _is_bytes(data: object) -> bool:
    if type(data) is not bytes:
        raise StoreError("a snapshot's object is not bytes")
    return True


def _checked_settings(value: object) -> Settings:
    settings = Settings.read(value)
    owner, name = split_id(settings.id)
    if settings.kind not in KINDS or settings.id != f"{owner}/{name}":
        raise StoreError("a repository has no proper kind or name")
    for user, row in settings.access.items():
        if type(user) is not str or type(row) is not dict:
            raise StoreError("a gate's book is malformed")
    return settings


def _checked_refs(value: Any, objects: PackedObjects) -> dict[str, Ref]:
    refs = {}
    for name, (commit, tag) in itertools.islice(value.items(), 10_000):
        prefix = next(
            (each for each in (BRANCHES, TAGS, PULL_REQUESTS) if type(name) is str and name.startswith(each)),
            None,
        )
        if prefix is None:
            raise StoreError("a reference is neither a branch nor a tag nor a pull request")
        check_ref(name.removeprefix(prefix))
        if objects.read(commit)[0] != "commit":
            raise StoreError(f"{name} stands for no commit")
        if tag is not None:
            kind, data = objects.read(tag)
            if kind != "tag" or not re.match(rb"object " + commit.encode() + rb"\ntype commit\n", data):
                raise StoreError(f"the annotated tag {name} stands for another commit")
        refs[name] = Ref(commit, tag)
    return refs


_CONVERSATION = {"num": int, "title": str, "status": str, "author": str, "pull_request": bool}


def _checked_conversations(rows: Any) -> list[dict]:
    for row in rows:
        if any(type(row[name]) is not kind for name, kind in _CONVERSATION.items()):
            raise StoreError("a discussion is malformed")
        if not isinstance(row.get("base"), str | None):
            raise StoreError("a pull request is malformed")
    return rows

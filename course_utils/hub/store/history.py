"""Reading a repository: revisions, commits, folders and files. Knows git's objects, nothing of users or HTTP.

It works on objects on disk and on objects from a snapshot alike, and holds bounds on everything it follows,
for a snapshot may come from someone who means harm.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from course_utils.hub.store.errors import StoreError, revision_not_found
from course_utils.hub.store.limits import Limits
from course_utils.hub.store.names import PATH_DEPTH
from course_utils.hub.store.objects import TreeEntry, parse_commit, parse_tree
from course_utils.hub.store.refs import BRANCHES, TAGS

if TYPE_CHECKING:
    from course_utils.hub.store.objects import Commit, LooseObjects, PackedObjects
    from course_utils.hub.store.refs import FixedRefs, Refs

MOST_COMMITS = 50_000
TREES_KEPT, LISTS_KEPT = 512, 4
POINTER_BYTES = 1024
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (\d{1,15})\n"
)
_SHORT = re.compile(r"[0-9a-f]{4,40}")


@dataclass(frozen=True)
class RepoFile:
    """A file of one commit.

    `oid`: of git's blob; `size`: of the contents; `sha256`: of a large file, else None.
    """

    path: str
    oid: str
    size: int
    sha256: str | None = None

    @property
    def large(self) -> bool:
        return self.sha256 is not None


@dataclass(frozen=True)
class RepoFolder:
    path: str
    oid: str


def pointer(sha256: str, size: int) -> bytes:
    """What stands in git in the place of a large file: the pointer of Git LFS, version 1."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def parse_pointer(data: bytes) -> tuple[str, int] | None:
    """(sha256, size) if a blob is a pointer, else None."""
    match = _POINTER.fullmatch(data)
    return (match[1].decode(), int(match[2])) if match else None


def _bounded(commits: set[str]) -> None:
    if len(commits) > MOST_COMMITS:
        raise StoreError(f"the history has more than {MOST_COMMITS:,} commits")


class History:
    """The commits of one repository, as they can be read through its names."""

    def __init__(
        self, objects: LooseObjects | PackedObjects, refs: FixedRefs | Refs, limits: Limits | None = None
    ) -> None:
        self.objects = objects
        self.refs = refs
        self.limits = limits or Limits()
        # What was read before, by id: objects never change, so neither does this
        self._commits: dict[str, Commit] = {}
        self._ranks: dict[str, tuple[int, int]] = {}  # commit id -> what orders it, see `_rank`
        self._trees: dict[str, dict[str, TreeEntry]] = {}  # by the tree's id
        self._sizes: dict[str, tuple[int, str | None]] = {}  # blob id -> (size, sha256 or None)
        # (tree id, path, recursive) -> its items, for a client that asks page by page
        self._lists: dict[tuple[str | None, str, bool], list[RepoFile | RepoFolder]] = {}

    # Revisions

    def named(self, prefix: str) -> dict[str, str]:
        """{short name: commit id} of the branches (`BRANCHES`), tags or pull requests."""
        return {
            name.removeprefix(prefix): ref.commit
            for name, ref in self.refs.read().items()
            if name.startswith(prefix)
        }

    def resolve(self, revision: str) -> str:
        """The commit id of a branch, a tag, a full name such as refs/pr/1, or an id, short or long."""
        refs = self.refs.read()
        revision = "main" if revision == "HEAD" else revision
        for name in (revision, BRANCHES + revision, TAGS + revision):
            if name in refs:
                return refs[name].commit
        if _SHORT.fullmatch(revision):
            found = [oid for oid in self.objects.matching(revision) if self.objects.size(oid)[0] == "commit"]
            if len(found) == 1:
                return found[0]
        raise revision_not_found(revision)

    def commit(self, oid: str) -> Commit:
        if oid not in self._commits:
            kind, data = self.objects.read(oid)
            if kind != "commit":
                raise StoreError(f"{oid[:12]} is a {kind}, not a commit")
            self._commits[oid] = parse_commit(oid, data)
        return self._commits[oid]

    def commits(self, oid: str) -> Iterator[Commit]:
        """The commit and all before it, newest first, and children always before their parents."""
        self._rank(oid)
        seen, waiting = {oid}, [self._newest_first(oid)]
        while waiting:
            commit = self.commit(heapq.heappop(waiting)[-1])
            yield commit
            for parent in commit.parents:
                if parent not in seen:
                    seen.add(parent)
                    _bounded(seen)
                    heapq.heappush(waiting, self._newest_first(parent))

    def _newest_first(self, oid: str) -> tuple[int, int, str]:
        time, generation = self._ranks[oid]
        return -time, -generation, oid

    def _rank(self, oid: str) -> None:
        """Know the ranks of a commit and of all before it.

        A rank is (its time, or a later one of a commit before it; the length of the longest line that leads
        to it). Times come in whole seconds and from clocks that may have been set back; a rank is above the
        rank of every commit before it all the same.
        """
        waiting, found = [oid], {oid}
        while waiting:
            commit = self.commit(waiting[-1])
            unknown = [parent for parent in commit.parents if parent not in self._ranks]
            if unknown:
                found.update(unknown)
                _bounded(found)
                waiting += unknown
                continue
            before = [self._ranks[parent] for parent in commit.parents]
            time = max([commit.time, *(time for time, _ in before)])
            self._ranks[waiting.pop()] = (time, 1 + max((length for _, length in before), default=0))

    # Files

    def tree(self, oid: str) -> dict[str, TreeEntry]:
        """{name: TreeEntry} of a folder, in git's order."""
        found = self._trees.get(oid)
        if found is None:
            kind, data = self.objects.read(oid)
            if kind != "tree":
                raise StoreError(f"{oid[:12]} is a {kind}, not a folder")
            found = {entry.name: entry for entry in parse_tree(data)}
            keep(self._trees, oid, found, TREES_KEPT)
        return found

    def entry(self, commit: str, path: str) -> TreeEntry | None:
        """The `TreeEntry` at a path of a commit, or None. The path "" is the top folder."""
        found: TreeEntry | None = TreeEntry("", self.commit(commit).tree, True)
        for name in path.split("/") if path else []:
            if found is None or not found.folder:
                return None
            found = self.tree(found.oid).get(name)
        return found

    def walk(self, commit: str, path: str = "", recursive: bool = True) -> Iterator[RepoFile | RepoFolder]:
        """`RepoFolder` and `RepoFile` below a folder of a commit, in git's order;
        nothing where there is no folder.
        """
        top = self.entry(commit, path)
        if top is None or not top.folder:
            return
        count = 0
        waiting = [iter(self._listed(top.oid, path))]
        while waiting:
            item = next(waiting[-1], None)
            if item is None:
                waiting.pop()
                continue
            count += 1
            if count > self.limits.files:
                raise StoreError(f"the commit has more than {self.limits.files:,} files")
            yield item
            if recursive and isinstance(item, RepoFolder):
                if len(waiting) >= PATH_DEPTH:
                    raise StoreError(f"the folders are more than {PATH_DEPTH} deep")
                waiting.append(iter(self._listed(item.oid, item.path)))

    def listing(self, commit: str, path: str = "", recursive: bool = True) -> list[RepoFile | RepoFolder]:
        """What `walk` gives, as a list that is remembered for a while."""
        top = self.entry(commit, path)
        wanted = (top.oid if top else None, path, recursive)
        if wanted not in self._lists:
            keep(self._lists, wanted, list(self.walk(commit, path, recursive)), LISTS_KEPT)
        return self._lists[wanted]

    def files(self, commit: str) -> dict[str, RepoFile]:
        """{path: RepoFile} of a whole commit."""
        return {item.path: item for item in self.walk(commit) if isinstance(item, RepoFile)}

    def file(self, commit: str, path: str) -> RepoFile | None:
        """The `RepoFile` at a path, or None."""
        entry = self.entry(commit, path)
        return None if entry is None or entry.folder else self.describe(path, entry.oid)

    def _listed(self, tree: str, path: str) -> Iterator[RepoFile | RepoFolder]:
        prefix = f"{path}/" if path else ""
        for entry in self.tree(tree).values():
            place = prefix + entry.name
            yield RepoFolder(place, entry.oid) if entry.folder else self.describe(place, entry.oid)

    def describe(self, path: str, oid: str) -> RepoFile:
        if oid not in self._sizes:
            kind, size = self.objects.size(oid)
            if kind != "blob":
                raise StoreError(f"{oid[:12]} is a {kind}, not a file")
            large = parse_pointer(self.objects.read(oid)[1]) if size < POINTER_BYTES else None
            self._sizes[oid] = (large[1], large[0]) if large else (size, None)
        size, sha256 = self._sizes[oid]
        return RepoFile(path, oid, size, sha256)

    def learn(self, oid: str, size: int) -> None:
        """Remember the size of a small file that was written just now."""
        self._sizes[oid] = (size, None)

    def changed(self, before: str | None, after: str) -> dict[str, tuple[RepoFile | None, RepoFile | None]]:
        """{path: (the file before or None, after or None)} between two commits; `before` may be None."""
        old, new = self.files(before) if before else {}, self.files(after)
        return {
            path: (old.get(path), new.get(path))
            for path in sorted(old.keys() | new.keys())
            if (old[path].oid if path in old else None) != (new[path].oid if path in new else None)
        }


def keep(cache: dict, key: object, value: object, most: int) -> None:
    """Remember a value, and forget the oldest when there are too many.

    Threads may race; the worst is a miss.
    """
    cache[key] = value
    while len(cache) > most:
        cache.pop(next(iter(cache), None), None)

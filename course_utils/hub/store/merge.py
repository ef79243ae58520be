"""Bringing one line of commits into another, as git does: three ways, against the commits where they parted.

Files are merged whole: one that both sides have changed, each in another way, is a conflict, wherever in it
the changes are. Knows git's objects, nothing of users or HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from course_utils.hub.store.history import History, RepoFile


@dataclass(frozen=True)
class Merge:
    """What a merge would do to our side. changes: {path: the RepoFile it becomes, or
    None if it goes}; conflicts: paths.
    """

    changes: dict[str, RepoFile | None]
    conflicts: list[str]


def ancestors(history: History, commit: str) -> set[str]:
    """A commit and all before it."""
    return {each.id for each in history.commits(commit)}


def bases(history: History, ours: str, theirs: str) -> list[str]:
    """The best common ancestors of two commits: those that are no ancestor of another
    one, as `git merge-base --all`.
    """
    behind = ancestors(history, ours)
    if theirs in behind:
        return [theirs]
    found, covered = [], set()
    for each in history.commits(theirs):
        if each.id in behind and each.id not in covered:
            found.append(each.id)
            covered |= ancestors(history, each.id)
    return [each for each in found if not any(each in ancestors(history, other) - {other} for other in found)]


def three_way(history: History, ours: str, theirs: str, parted: str | None = None) -> Merge:
    """The `Merge` of `theirs` into `ours`. parted: the base to use where they have no
    common ancestor (a squash cuts it off).
    """
    starts = bases(history, ours, theirs) or ([parted] if parted else [])
    before = [history.files(each) for each in starts] or [{}]
    mine, other = history.files(ours), history.files(theirs)
    changes, conflicts = {}, []
    for path in sorted(mine.keys() | other.keys()):
        was, now, new = [_id(each, path) for each in before], _id(mine, path), _id(other, path)
        if now == new or all(each == new for each in was):
            continue  # both did the same, or only our side did something
        if all(each == now for each in was):
            changes[path] = other.get(path)
        else:
            conflicts.append(path)
    after = {path for path in mine if changes.get(path, True)} | {
        path for path, file in changes.items() if file
    }
    conflicts += [path for path in sorted(after) if any(folder in after for folder in _folders(path))]
    return Merge(changes, conflicts)


def _id(files: dict[str, RepoFile], path: str) -> str | None:
    return files[path].oid if path in files else None


def _folders(path: str) -> Iterator[str]:
    """The folders that a path lies in: where one of them is a file, the two can't be together."""
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts)))

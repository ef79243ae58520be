"""From a list of changes to a new tree: put this file there, delete that one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from course_utils.hub.store.errors import entry_not_found, unusable
from course_utils.hub.store.names import check_path
from course_utils.hub.store.objects import TreeEntry, tree_data

if TYPE_CHECKING:
    from course_utils.hub.store.history import History
    from course_utils.hub.store.objects import Batch


class Draft:
    """A commit's files, being changed. Only folders that a change touches are read and written again.

    history: where the old folders are read from; tree: the id of the old top
    folder, or None for an empty start.
    """

    def __init__(self, history: History, tree: str | None, commit: str = "") -> None:
        self._history = history
        self._commit = commit
        self._top = self._opened(tree) if tree else {}

    def put(self, path: str, blob: str) -> None:
        """Let `path` be the file with that blob id."""
        *folders, name = check_path(path).split("/")
        here = self._top
        for depth, folder in enumerate(folders):
            here = self._inside(here, folder, "/".join(folders[: depth + 1]))
        if name in here and not isinstance(here[name], str):
            raise unusable(f"{path!r} is a folder, so it can't become a file. Delete the folder first.")
        here[name] = blob

    def delete(self, path: str) -> None:
        """Take away a file or a folder with all that is in it; 404 where there is none."""
        *folders, name = check_path(path).split("/")
        here, trail = self._top, []
        for folder in folders:
            trail.append((here, folder))
            here = self._look(here, folder)
            if not isinstance(here, dict):
                raise entry_not_found(path, self._commit)
        if name not in here:
            raise entry_not_found(path, self._commit)
        del here[name]
        for parent, folder in reversed(trail):  # git has no empty folders
            if not parent[folder]:
                del parent[folder]

    def write(self, batch: Batch) -> str:
        """Write the changed folders; returns the id of the top one."""
        return self._written(self._top, batch)

    # A folder is a dict once it is opened, and a _Closed before; a file is its blob's id.

    def _opened(self, tree: str) -> dict:
        return {
            name: _Closed(each.oid) if each.folder else each.oid
            for name, each in self._history.tree(tree).items()
        }

    def _look(self, here: dict, name: str) -> Any:
        if isinstance(here.get(name), _Closed):
            here[name] = self._opened(here[name].oid)
        return here.get(name)

    def _inside(self, here: dict, name: str, path: str) -> dict:
        found = self._look(here, name)
        if isinstance(found, str):
            raise unusable(f"{path!r} is a file, so nothing can lie in it. Delete the file first.")
        return here.setdefault(name, {}) if found is None else found

    def _written(self, folder: dict, batch: Batch) -> str:
        entries = []
        for name, item in folder.items():
            if isinstance(item, dict):
                entries.append(TreeEntry(name, self._written(item, batch), True))
            elif isinstance(item, _Closed):
                entries.append(TreeEntry(name, item.oid, True))
            else:
                entries.append(TreeEntry(name, item, False))
        return batch.add("tree", tree_data(entries))


class _Closed:
    def __init__(self, oid: str) -> None:
        self.oid = oid

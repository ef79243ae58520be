"""Which commit changed what last. Knows git's objects, nothing of users or HTTP."""

from __future__ import annotations

from collections.abc import Iterable

from course_utils.hub.store.history import History
from course_utils.hub.store.objects import Commit

MOST_COMMITS = 2000
MOST_FOLDERS = 20_000  # that are looked up in all those commits together


def last_commits(history: History, commit: str, paths: Iterable[str]) -> dict[str, Commit]:
    """{path: the commit that changed it last} of files and folders, as far as the newest
    `MOST_COMMITS` and `MOST_FOLDERS` tell; a path that they don't tell of is missing.

    Follows first parents, so what came by a pull request came with its merge. A commit that left a folder
    alone costs no more than finding that out.
    """
    here, looked_up = history.commit(commit), 0
    found: dict[str, Commit] = {}
    waiting: dict[str, set[str]] = {}  # folder -> the names in it that are still looked for
    for path in paths:
        folder, _, name = path.rpartition("/")
        waiting.setdefault(folder, set()).add(name)
    now = {folder: _inside(history, commit, folder) for folder in waiting}
    for folder, names in waiting.items():
        names.intersection_update(now[folder])
    for _ in range(MOST_COMMITS):
        waiting = {folder: names for folder, names in waiting.items() if names}
        looked_up += len(waiting)
        if not waiting or looked_up > MOST_FOLDERS:
            break
        parent = here.parents[0] if here.parents else None
        for folder, names in waiting.items():
            old = _inside(history, parent, folder) if parent else {}
            if old.get("") == now[folder][""]:
                continue
            changed = {name for name in names if old.get(name) != now[folder][name]}
            found |= dict.fromkeys((f"{folder}/{name}" if folder else name for name in changed), here)
            names -= changed
        if parent is None:
            break
        here = history.commit(parent)
    return found


def _inside(history: History, commit: str, folder: str) -> dict[str, str]:
    """{name: id} of a folder's entries, and its own id by the name ""; empty where there is none."""
    entry = history.entry(commit, folder)
    if entry is None or not entry.folder:
        return {}
    return {"": entry.oid} | {name: each.oid for name, each in history.tree(entry.oid).items()}

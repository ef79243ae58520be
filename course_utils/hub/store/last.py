"""Which commit changed what in a folder last. Knows git's objects, nothing of users or HTTP."""

from __future__ import annotations

from course_utils.hub.store.history import History
from course_utils.hub.store.objects import Commit

MOST_COMMITS = 2000


def last_commits(history: History, commit: str, folder: str = "") -> dict[str, Commit]:
    """{name: the commit that changed it last} of the entries of a folder, as far as
    the newest `MOST_COMMITS` tell.

    Follows first parents, so what came by a pull request came with its merge. A commit that left the folder
    alone costs no more than finding that out.
    """
    here, found = history.commit(commit), {}
    tree, now = _folder(history, commit, folder)
    waiting = set(now)
    for _ in range(MOST_COMMITS):
        if not waiting:
            break
        before, old = _folder(history, here.parents[0], folder) if here.parents else (None, {})
        if before != tree or not here.parents:
            changed = {name for name in waiting if old.get(name) != now[name]}
            found |= dict.fromkeys(changed, here)
            waiting -= changed
        if not here.parents:
            break
        here, tree = history.commit(here.parents[0]), before
    return found


def _folder(history, commit, path):
    """(id of the folder's tree, {name: id}); (None, {}) where there is none."""
    entry = history.entry(commit, path)
    if entry is None or not entry.folder:
        return None, {}
    return entry.oid, {name: each.oid for name, each in history.tree(entry.oid).items()}

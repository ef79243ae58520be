"""A Hub on this machine that serves the stand-ins under the ids and at the revisions of the catalog.

A revision of the catalog is the id of a commit that nobody here can make. So the stand-in's commit is stored
a second time under that id, and `main` stands for it. That copy is the one object in the repository whose
name is not the hash of its bytes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from course_utils.catalog import DATASETS, MODELS
from course_utils.hub import LocalHub, seeding
from course_utils.hub.activation import VARIABLES
from course_utils.hub.store.clock import parse
from course_utils.hub.store.hub import Pending
from course_utils.hub.store.refs import Ref
from course_utils.hub.store.repository import MAIN
from course_utils.standins import datasets, models, shelf
from course_utils.surroundings import past_proxies

if TYPE_CHECKING:
    from course_utils.hub.store.hub import HubStore
    from course_utils.hub.store.repository import Repository
    from course_utils.pinned import Pinned


@contextlib.contextmanager
def serving(scratch: Path, where: Path | None = None) -> Iterator[dict[str, str]]:
    """Run the Hub in `scratch`; gives the environment of a process whose hub profile is this Hub.

    Caches lie in `scratch` too, so that nothing which was downloaded before is found. where: the shelf of
    stand-ins, see `shelf.place`.
    """
    hub = LocalHub(scratch / "standins", seeded=False)
    hub.start()
    try:
        announce(hub._store, where or shelf.place())
        yield environment(hub.url, scratch)
    finally:
        hub.close()


def environment(url: str, scratch: Path) -> dict[str, str]:
    """This process's environment, turned to the hub profile of the Hub at `url`, with caches in `scratch`."""
    changes: dict[str, str | None] = {
        **VARIABLES,
        **past_proxies(),
        "CI": None,
        "HF_ENDPOINT": url,
        "HF_HOME": str(scratch / "huggingface"),
        "COURSE_CACHE": str(scratch / "course"),
        "COURSE_PROFILE": "hub",
    }
    merged = {**os.environ, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def announce(store: HubStore, where: Path) -> None:
    """Tell a `HubStore` what it could have: the stand-ins, and the metrics, which are on the real Hub too."""
    store.accounts.add_organisation(seeding.METRICS)
    found = [*seeding.metrics()]
    found += [
        _pending(MODELS[name], models.card(name), partial(shelf.model_folder, name, where)) for name in MODELS
    ]
    found += [
        _pending(DATASETS[name], datasets.card(name), partial(shelf.dataset_folder, name, where))
        for name in datasets.FILES
    ]
    for each in found:
        owner = each.id.partition("/")[0]
        if not store.accounts.exists(owner):
            store.accounts.add_organisation(owner)
        store.pending[each.kind, each.id.lower()] = each


def _pending(entry: Pinned, card: str, folder: Callable[[], Path]) -> Pending:
    def make(store: HubStore) -> None:
        def fill(repository: Repository) -> None:
            files = seeding.files_of(folder())
            commit = seeding.put(store, repository, files, repository.owner, "Add the files")
            stand_for(repository, commit, entry.revision)

        store.create(entry.kind, entry.hub_id, time=seeding.TIME, seeded=True, fill=fill)

    return Pending(entry.kind, entry.hub_id, card, int(parse(seeding.TIME)), make)


def stand_for(repository: Repository, commit: str, revision: str) -> None:
    """Let `main` be the commit `revision`, a copy of `commit` under that id."""
    copy = Path(repository.objects.path(revision))
    copy.parent.mkdir(exist_ok=True)
    shutil.copyfile(repository.objects.path(commit), copy)
    repository.refs.move(MAIN, Ref(commit), Ref(revision))

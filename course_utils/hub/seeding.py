"""What is in a new Hub: the course's models, datasets and metrics under names of their own, with their cards.

Each is made when somebody first looks into it; until then its card is enough to list and search it. The clock
stands still meanwhile, so the same course gives the same commit ids on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from course_utils import catalog
from course_utils.hub.store.clock import parse
from course_utils.hub.store.hub import Pending
from course_utils.hub.store.refs import TAGS
from course_utils.hub.store.repository import MAIN, goes_large

if TYPE_CHECKING:
    from course_utils.hub.store.hub import HubStore
    from course_utils.hub.store.repository import Repository

TIME = "2026-01-05T09:00:00Z"
COURSE, METRICS = "course", "evaluate-metric"  # the second is where evaluate.load looks for a short name
README = "README.md"


def announce(store: HubStore) -> None:
    """Tell a `HubStore` what it could have. Costs the reading of a few cards."""
    for owner in (COURSE, METRICS):
        store.accounts.add_organisation(owner)
    for each in (*models(), *datasets(), *metrics()):
        store.pending[each.kind, each.id.lower()] = each


def models() -> Iterator[Pending]:
    for name in catalog.MODELS:
        folder = Path(catalog.model_path(name, "offline"))
        card = (folder / README).read_text(encoding="utf-8")
        yield _pending("model", f"{COURSE}/mini-{name}", card, partial(_read_folder, folder))


def datasets() -> Iterator[Pending]:
    from course_utils.datasets import corpora

    for name in catalog.DATASETS:
        card = corpora.card(name, corpora.PUBLIC_SEED)
        yield _pending("dataset", f"{COURSE}/{name}", card, partial(_read_dataset, name))


def metrics() -> Iterator[Pending]:
    for name, entry in catalog.METRICS.items():
        card = (
            f"---\ntitle: {name}\nsdk: static\ntags: [evaluate, metric]\n---\n\n# {name}\n\n"
            f"{entry.meaning[0].upper()}{entry.meaning[1:]}.\n"
        )
        yield _pending(
            "space", f"{METRICS}/{name}", card, partial(_read_folder, Path(catalog.metric_path(name)))
        )


def _pending(kind: str, identifier: str, card: str, read: Callable) -> Pending:
    def make(store: HubStore) -> None:
        files = dict(read())
        files[README] = card.encode()

        def fill(repository: Repository) -> None:
            fill_in_two_steps(store, repository, files)

        store.create(kind, identifier, sdk="static", time=TIME, seeded=True, fill=fill)

    return Pending(kind, identifier, card, int(parse(TIME)), make)


def fill_in_two_steps(store: HubStore, repository: Repository, files: Mapping[str, bytes | Path]) -> None:
    """First everything but the card, tagged v0.9; then the card, tagged v1.0: so
    there is a history to look at.
    """
    owner = repository.owner
    rest = {path: data for path, data in files.items() if path != README}
    first = put(store, repository, rest, owner, "Add the files")
    repository.set_ref(TAGS + "v0.9", first)
    last = put(store, repository, {README: files[README]}, owner, "Add the card")
    repository.set_ref(TAGS + "v1.0", last, "First release", owner)


def put(
    store: HubStore,
    repository: Repository,
    files: Mapping[str, bytes | Path],
    author: str,
    message: str,
    name: str = MAIN,
) -> str:
    """A commit of {path: bytes or a file's Path} without a client; returns its id."""
    patterns = repository.large_patterns(repository.history.resolve("main"))
    with repository.change(store.large) as change:
        for path, data in files.items():
            content = data.read_bytes() if isinstance(data, Path) else data
            if content and goes_large(
                path, len(content), content[:512], patterns, repository.limits.regular_file
            ):
                sha256 = hashlib.sha256(content).hexdigest()
                if store.large.size(sha256) is None:
                    store.large.receive(sha256, len(content), [content])
                change.put_large(path, sha256)
            else:
                change.put(path, content)
        return change.commit(name, author, message)


def files_of(source: str | Path | Mapping[str, str | bytes]) -> dict:
    """{path: Path or bytes} of a folder, or of a dict of texts and bytes."""
    if isinstance(source, Mapping):
        return {
            path: data.encode() if isinstance(data, str) else bytes(data) for path, data in source.items()
        }
    folder = Path(source)
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}; give a folder or {{path: text or bytes}}.")
    return dict(_read_folder(folder))


def _read_folder(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder).as_posix(), path


def _read_dataset(name: str) -> Iterator[tuple[str, Path]]:
    yield from _read_folder(Path(catalog.dataset_path(name, "offline")))

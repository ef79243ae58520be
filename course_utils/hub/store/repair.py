"""`course hub --repair`: look at everything in a Hub's folder, mend what can be mended, and say what can't.

Nothing is thrown away: what is taken out of the way lies in the Hub's folder `damaged/` afterwards. A
repository whose settings are lost becomes private, for nobody can tell any more who was to see it.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_utils.hub.store import disk
from course_utils.hub.store.clock import Clock
from course_utils.hub.store.errors import HubError, StoreError
from course_utils.hub.store.hub import HubStore, named_by
from course_utils.hub.store.large import place_in
from course_utils.hub.store.names import split_id
from course_utils.hub.store.objects import LooseObjects
from course_utils.hub.store.refs import Ref, parse, render
from course_utils.hub.store.repository import MAIN, Repository, Settings

if TYPE_CHECKING:
    from course_utils.hub.store.history import History

_LINE = re.compile(rb"(?m)^(?:[0-9a-f]{40} refs/[!-~]+|\^[0-9a-f]{40})$")


def repair(root: Path) -> Iterator[str]:
    """Mend the Hub in that folder, which nobody may be running; yields a sentence for each thing found."""
    store = HubStore(root)
    try:
        # the accounts are mended by opening alone; opening once more takes in what was mended
        yield from store.open().accounts.troubles
        for folder in sorted(store.root.glob("repositories/*/*/*.git")):
            bench = _Bench(store, folder)
            for said in (*bench.settings(), *bench.names(), *bench.conversations(), *bench.contents()):
                yield f"{bench.name}: {said}"
    finally:
        store.close()


class _Bench:
    """One repository's folder, being mended. Each method yields what it found and did."""

    def __init__(self, store: HubStore, folder: Path) -> None:
        self.store, self.folder = store, folder
        self.kind, self.id = named_by(folder)
        self.name = f"{self.kind} {self.id}"
        self.objects = LooseObjects(folder / "objects", store.scratch)

    def settings(self) -> Iterator[str]:
        try:
            settings = Settings.read(disk.read_json(self.folder / "hub.json", None))
            if "/".join(split_id(settings.id)).lower() == self.id and settings.kind == self.kind:
                return
            why = f"hub.json says that it is the {settings.kind} {settings.id}"
        except (StoreError, HubError) as error:
            why = str(error)
        self._set_aside(self.folder / "hub.json")
        fresh = Settings(self.kind, self.id, Clock().now(), private=True)
        disk.replace(self.folder / "hub.json", fresh.as_file(), self.store.scratch)
        yield f"{why}. It has new settings: private, without a gate, under the name of its folder."

    def names(self) -> Iterator[str]:
        path = self.folder / "packed-refs"
        data = path.read_bytes() if path.exists() else b""
        lines = [line.decode() for line in _LINE.findall(data)]
        kept = {name: ref for name, ref in parse("\n".join(lines)).items() if self._is_commit(ref.commit)}
        newest = None
        if MAIN not in kept and (newest := self._newest(kept)):
            kept[MAIN] = Ref(newest)
        if not path.exists() or render(kept).encode() != data:
            self._set_aside(path)
            disk.replace(path, render(kept).encode(), self.store.scratch)
            yield (
                f"packed-refs was damaged. {len(kept)} branches and tags are left: {', '.join(sorted(kept))}."
            )
        if newest:
            yield f"main was lost, and is the newest commit now, {newest[:12]}."

    def _is_commit(self, oid: str) -> bool:
        return self.objects.sound(oid) and self.objects.size(oid)[0] == "commit"

    def _newest(self, kept: Any) -> Any:
        """The newest of the commits that lie there, the children before their parents."""
        repository = Repository(self.folder, self.store.scratch, self.store.limits, self.store.clock)
        every = [path.parent.name + path.name for path in (self.folder / "objects").glob("??/*")]
        commits = [repository.history.commit(oid) for oid in every if self._is_commit(oid)]
        behind = {parent for each in commits for parent in each.parents} | {
            ref.commit for ref in kept.values()
        }
        heads = [each for each in commits if each.id not in behind] or commits
        return max(heads, key=lambda each: each.time).id if heads else None

    def conversations(self) -> Iterator[str]:
        path = self.folder / "conversations.json"
        try:
            rows = disk.read_json(path, [])
            if isinstance(rows, list):
                return
            why = "conversations.json has the wrong fields"
        except StoreError as error:
            why = str(error)
        self._set_aside(path)
        yield (
            f"{why}. Its discussions and pull requests are lost; their files are still at "
            "refs/pr/1 and so on."
        )

    def contents(self) -> Iterator[str]:
        """What the names lead to: every object by its name, every large file by its hash."""
        repository = Repository(self.folder, self.store.scratch, self.store.limits, self.store.clock)
        seen: set[str] = set()
        for name, ref in sorted(repository.refs.read().items()):
            try:
                for commit in repository.history.commits(ref.commit):
                    for path in self._damaged(repository.history, commit.tree, "", seen):
                        yield f"{path} at {name} is damaged. Upload the same bytes once more to heal it."
            except StoreError as error:
                yield f"{name} can't be followed to its beginning: {error}."

    def _damaged(self, history: History, tree: str, folder: str, seen: set[str]) -> Iterator[str]:
        """The paths of damaged files below a folder, as far as it was not seen before."""
        for entry in history.tree(tree).values():
            if entry.oid in seen:
                continue
            seen.add(entry.oid)
            if entry.folder:
                yield from self._damaged(history, entry.oid, f"{folder}{entry.name}/", seen)
            elif not self._whole(history, folder + entry.name, entry.oid):
                yield folder + entry.name

    def _whole(self, history: History, path: str, oid: str) -> bool:
        if not self.objects.sound(oid):
            return False
        file = history.describe(path, oid)
        if file.sha256 is None:
            return True
        place, original = place_in(self.folder, file.sha256), self.store.large.path(file.sha256)
        if _sha256(place) == file.sha256:
            return True
        self._set_aside(place)
        if _sha256(original) == file.sha256:
            self.store.large.give(file.sha256, self.folder)
            return True
        self._set_aside(original)  # or it would be taken for the right bytes when they come again
        return False

    def _set_aside(self, path: Path) -> None:
        if path.exists():
            corner = self.store.root / "damaged"
            corner.mkdir(exist_ok=True)
            os.replace(path, corner / f"{path.name}-{uuid.uuid4().hex[:8]}")


def _sha256(path: Path) -> str | None:
    if not path.is_file():
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def as_text(found: list[str]) -> str:
    """What was found, for people."""
    if not found:
        return "Everything in this Hub is as it should be."
    return "\n".join([f"{len(found)} things were found:", *(f"- {each}" for each in found)])

"""Branches, tags and pull requests: names for commits, all in git's one file `packed-refs`.

One file is replaced in one step, so several names move together or not at all, and no file system's rules on
upper and lower case or on a branch `a` beside a branch `a/b` come into it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from course_utils.hub.store import disk
from course_utils.hub.store.errors import StoreError, conflict

BRANCHES, TAGS, PULL_REQUESTS = "refs/heads/", "refs/tags/", "refs/pr/"
_HEADER = "# pack-refs with: peeled fully-peeled sorted \n"
_LINE = re.compile(r"([0-9a-f]{40}) (refs/[^\x00-\x20]+)")


@dataclass(frozen=True)
class Ref:
    """What a name stands for. `tag`: the tag object of an annotated tag, on the way to the commit."""

    commit: str
    tag: str | None = None


def parse(text: str) -> dict[str, Ref]:
    """{full name: Ref} of a packed-refs file."""
    refs, last = {}, None
    for line in text.splitlines():
        if line.startswith("#") or not line:
            continue
        if line.startswith("^") and last:
            refs[last] = Ref(line[1:], refs[last].commit)
            continue
        match = _LINE.fullmatch(line)
        if not match:
            raise StoreError("a line of packed-refs is malformed")
        last = match[2]
        refs[last] = Ref(match[1])
    return refs


def render(refs: dict[str, Ref]) -> str:
    lines = []
    for name, ref in sorted(refs.items(), key=lambda item: item[0].encode()):
        lines.append(f"{ref.tag or ref.commit} {name}\n")
        if ref.tag:
            lines.append(f"^{ref.commit}\n")
    return _HEADER + "".join(lines)


class Refs:
    """The names of one repository on disk. Whoever moves them holds the repository's lock."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.path = folder / "packed-refs"
        self.scratch = scratch

    def read(self) -> dict[str, Ref]:
        try:
            return parse(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except UnicodeDecodeError:
            raise StoreError("packed-refs is no text") from None

    def move(
        self, name: str, old: Ref | None, new: Ref | None, along: Iterable[tuple[Path, bytes]] = ()
    ) -> None:
        """Let `name` stand for the Ref `new` (None: for nothing), if it stands for `old` now; else 409.

        along: (path, bytes) of further files that change with the name, or not at
        all where the disk has no room.
        """
        refs = self.read()
        if refs.get(name) != old:
            raise conflict(f"{name} has moved in the meantime; look at it again and repeat.")
        refs.pop(name, None)
        if new is not None:
            refs[name] = new
        with disk.replacing([(self.path, render(refs).encode()), *along], self.scratch):
            pass


class FixedRefs:
    """The names as a snapshot brings them."""

    def __init__(self, refs: dict[str, Ref]) -> None:
        self._refs = refs

    def read(self) -> dict[str, Ref]:
        return dict(self._refs)

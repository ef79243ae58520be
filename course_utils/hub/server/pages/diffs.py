"""What a change did to files, line by line, for commits and for pull requests."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from course_utils.hub.store.lines import hunks

if TYPE_CHECKING:
    from course_utils.hub.store.history import RepoFile
    from course_utils.hub.store.lines import Effort
    from course_utils.hub.store.repository import Repository

TEXT_BYTES, LINES = 200_000, 2000
WHAT = {"new file": "added", "deleted file": "deleted"}
KINDS = {"+": "added", "-": "deleted", "@": "place"}


@dataclass(frozen=True)
class Changed:
    """A changed file. what: "added", "deleted" or "changed". lines: (kind, mark, text)
    each, None where they can't be shown.
    """

    path: str
    what: str
    lines: tuple | None


def changed_file(
    repository: Repository,
    path: str,
    before: RepoFile | None,
    after: RepoFile | None,
    may_read: bool,
    effort: Effort,
) -> Changed:
    """The `Changed` of a pair of `RepoFile` or None; without lines for who may not read
    them, and for large or binary files. effort: what comparing may still take.
    """
    what = "added" if before is None else "deleted" if after is None else "changed"
    old, new = (_lines_of(repository, each) if may_read else None for each in (before, after))
    if old is None or new is None:
        return Changed(path, what, None)
    lines = itertools.islice(hunks(old, new, effort, context=2), LINES)
    return Changed(path, what, tuple(marked(line.rstrip("\n")) for line in lines))


def of_text(diff: str) -> list[Changed]:
    """The `Changed` files of a unified diff as git writes it."""
    files = []
    for part in ("\n" + diff).split("\ndiff --git ")[1:]:
        head, *lines = part.removesuffix("\n").split("\n")
        path = head.partition(" b/")[2]
        what = next(
            (word for start, word in WHAT.items() if lines[:1] and lines[0].startswith(start)), "changed"
        )
        start = next((place for place, line in enumerate(lines) if line.startswith("@@")), None)
        shown = None if start is None else tuple(map(marked, lines[start : start + LINES]))
        files.append(Changed(path, what, shown if lines else ()))
    return files


def marked(line: str) -> tuple[str, str, str]:
    """(kind, mark, text) of a line of a diff."""
    kind = KINDS.get(line[:1], "same")
    if kind == "place":
        return kind, " ", line
    return kind, line[:1] or " ", line[1:]


def _lines_of(repository: Repository, file: RepoFile | None) -> list[str] | None:
    if file is None:
        return []
    if file.large or file.size > TEXT_BYTES:
        return None
    try:
        return repository.read(file).decode().splitlines()
    except UnicodeDecodeError:
        return None

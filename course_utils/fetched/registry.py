"""The entries by name, and whether they are on this machine."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from pathlib import Path

from course_utils.discovery import entries
from course_utils.fetched.entry import Fetched

#: The modules of this folder that are no entry.
MACHINERY = ("archive", "command", "entry", "notebook", "registry")

FETCHED: dict[str, Fetched] = entries(
    __package__,
    (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])),
    "ENTRY",
    apart=MACHINERY,
)


def missing(names: Iterable[str]) -> list[str]:
    """Those of the names that were not fetched; KeyError for a name that is no entry."""
    return [name for name in names if not FETCHED[name].there]


def ready(*names: str) -> bool:
    """Whether what is named is on this machine, fetched by `course fetch`."""
    return not missing(names)


def notice(names: Iterable[str]) -> str:
    """What is not here, and how to get it, for people to read."""
    absent = [FETCHED[name] for name in names]
    what = " and ".join(f"{each.name} ({each.archive.megabytes} MB)" for each in absent)
    verb = "are" if len(absent) > 1 else "is"
    return (
        f"This part works on real language, and {what} {verb} not on this machine yet. With a network, run "
        "`course fetch` in a terminal, once, then this cell again; all else in the course works without it."
    )

"""Entries are found in their folder, so that one more is one more file and no list is edited."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterable
from typing import Any


def entries(package: str, modules: Iterable[str], attribute: str, apart: Collection[str]) -> dict[str, Any]:
    """What each module of a package declares under `attribute`, by its name, in
    the order of the modules' names.

    Args:
        package: its dotted name.
        modules: the names of its modules, which the caller finds by `pkgutil.iter_modules`: who imports
            that is known to reach all of its folder (`course_utils.closure`).
        attribute: such as "DATASET"; what it holds has a `name`, which is the module's with "-" for "_".
        apart: the modules that declare none, being the machinery of the folder.

    Raises:
        LookupError: for a module that declares nothing, or something with another name than its own.
    """
    found = {}
    for module in sorted(set(modules).difference(apart)):
        entry = getattr(importlib.import_module(f"{package}.{module}"), attribute, None)
        name = module.replace("_", "-")
        if entry is None or entry.name != name:
            raise LookupError(
                f"{package}.{module} declares no {attribute} named {name!r}. Each module of this folder "
                f"declares one, but for {', '.join(sorted(apart))}."
            )
        found[name] = entry
    return found

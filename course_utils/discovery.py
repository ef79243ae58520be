"""Entries are found in their folder, so that one more is one more file and no list is edited."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection
from types import ModuleType
from typing import Any


def entries(package: ModuleType, attribute: str, apart: Collection[str]) -> dict[str, Any]:
    """What each module of a package declares under `attribute`, by its name, in the order of the modules' names.

    Args:
        package: its modules are looked at, not its sub-packages.
        attribute: such as "DATASET"; what it holds has a `name`, which is the module's with "-" for "_".
        apart: the modules that declare none, being the machinery of the folder.

    Raises:
        LookupError: for a module that declares nothing, or something with another name than its own.
    """
    found = {}
    for module in sorted(
        module.name for module in pkgutil.iter_modules(package.__path__) if not module.ispkg
    ):
        if module in apart:
            continue
        path = f"{package.__name__}.{module}"
        entry = getattr(importlib.import_module(path), attribute, None)
        name = module.replace("_", "-")
        if entry is None or entry.name != name:
            raise LookupError(
                f"{path} declares no {attribute} named {name!r}. Each module of this folder declares one, but for "
                f"{', '.join(sorted(apart))}."
            )
        found[name] = entry
    return found

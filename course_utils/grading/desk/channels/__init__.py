"""How packages reach whoever grades, one file each: a module of this folder with a `CHANNEL` is
found by itself.
"""

from __future__ import annotations

import importlib
import pkgutil

from course_utils.grading.desk.channels.base import Channel


def channels() -> dict[str, Channel]:
    """Every channel by its name, which `course collect --from` takes, in alphabetical order."""
    modules = [
        importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)
    ]
    found = [module.CHANNEL for module in modules if hasattr(module, "CHANNEL")]
    return {channel.name: channel for channel in sorted(found, key=lambda channel: channel.name)}

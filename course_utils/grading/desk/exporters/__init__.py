"""Marks for a learning platform, one file each: a module of this folder with an
`EXPORTER` is found by itself.
"""

from __future__ import annotations

import importlib
import pkgutil

from course_utils.grading.desk.exporters.base import Exporter


def exporters() -> dict[str, Exporter]:
    """Every exporter by its name, which `course export --to` takes, in alphabetical order."""
    modules = [
        importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)
    ]
    found = [module.EXPORTER for module in modules if hasattr(module, "EXPORTER")]
    return {exporter.name: exporter for exporter in sorted(found, key=lambda exporter: exporter.name)}

"""Marks for a learning platform, one file each: a module of this folder with an
`EXPORTER` is found by itself.
"""

from __future__ import annotations

import pkgutil

from course_utils.discovery import entries
from course_utils.grading.desk.exporters.base import Exporter


def exporters() -> dict[str, Exporter]:
    """Every exporter by its name, which `course export --to` takes, in alphabetical order."""
    modules = (found.name for found in pkgutil.iter_modules(__path__))
    return entries(__name__, modules, "EXPORTER", apart={"base", "sheet"})

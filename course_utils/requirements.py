"""Whether what is installed here is new enough for the course, and is what the notebook's process has loaded.

On Colab or Kaggle most packages are there before the course. Which versions it needs stands in its own
metadata, which pyproject.toml makes: there is no second list.
"""

from __future__ import annotations

import sys
from importlib import metadata

NAME = "course-workbook"


def complaint() -> str:
    """What is too old or loaded in another version than is installed, with what to do; "" where all is well.

    One sentence for each of the two. It takes a few milliseconds: only packages with a bound are looked at.
    """
    return "\n".join(filter(None, (_too_old(), _loaded_before())))


def bounds() -> dict[str, str]:
    """package -> the versions that the course can work with, such as ">=5", unless it leaves them open.

    Nothing where the course was not installed.
    """
    from packaging.requirements import Requirement

    try:
        asked = [Requirement(line) for line in metadata.requires(NAME) or () if ">" in line or "<" in line]
    except metadata.PackageNotFoundError:
        return {}
    return {
        each.name: str(each.specifier)
        for each in asked
        if each.specifier and (each.marker is None or each.marker.evaluate({"extra": ""}))
    }


def _too_old() -> str:
    from packaging.specifiers import SpecifierSet

    found, wanted = [], []
    for name, bound in bounds().items():
        version = _installed(name)
        if version is None or version not in SpecifierSet(bound, prereleases=True):
            found.append(f"{name} {'is missing' if version is None else version}")
            wanted.append(f'"{name}{bound}"')
    if not found:
        return ""
    return (
        f"The workbook needs other versions than are here ({', '.join(found)}): run %pip install -q "
        f"{' '.join(wanted)} in a cell of its own, and restart the kernel."
    )


def _loaded_before() -> str:
    found = []
    for name in bounds():
        loaded = getattr(sys.modules.get(name.replace("-", "_")), "__version__", None)
        installed = _installed(name)
        if isinstance(loaded, str) and installed and _plain(loaded) != _plain(installed):
            found.append(f"{name} {loaded}, where {installed} is installed")
    if not found:
        return ""
    return (
        f"This notebook still has in memory {'; '.join(found)}: restart the kernel, and run it from the top."
    )


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _plain(version: str) -> str:
    """Without its build: 2.9.0+cu128 and 2.9.0 are one version."""
    return version.partition("+")[0]

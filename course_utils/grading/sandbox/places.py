"""What a learner's code may see of this machine: the system, Python with its packages, and the course.

One list serves both sandboxes. Of `course_utils` everything is seen but `HIDDEN`, and of
`grading` only what runs inside.
"""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Iterable
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2]
ROOT = PACKAGE.parent
HIDDEN = frozenset(["checks", "grading", "__pycache__"])
INSIDE = (
    "grading/__init__.py",
    "grading/run/__init__.py",
    "grading/run/worker.py",
    "grading/run/zygote.py",
    "grading/sandbox/__init__.py",
    "grading/sandbox/canaries.py",
    "grading/sandbox/confine.py",
    "grading/sandbox/landlock.py",
    "grading/sandbox/seccomp.py",
    "grading/sandbox/kinds.py",
)
PACKAGES = ("site-packages", "dist-packages")
SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/localtime",
    "/etc/mime.types",
    "/sys/devices/system/cpu",
)


def of_python() -> list[str]:
    """The interpreter and its packages."""
    folders = {sys.prefix, sys.base_prefix, os.path.realpath(sys.base_prefix), *site.getsitepackages()}
    folders.add(str(Path(sys.executable).resolve().parent.parent))
    return _outermost(folder for folder in [*folders, *packages()] if os.path.isdir(folder))


def packages() -> list[str]:
    """Every folder that this process imports packages from, whoever named it: Python itself, a `.pth` file,
    `PYTHONPATH`, or `pip install --user`, as is usual on a JupyterHub.
    """
    return [path for path in sys.path if os.path.basename(path) in PACKAGES and os.path.isdir(path)]


def of_course() -> list[str]:
    """The course as a learner's notebook needs it."""
    shown = [path for path in PACKAGE.iterdir() if path.name not in HIDDEN]
    return sorted(map(str, shown)) + [str(PACKAGE / name) for name in INSIDE]


def visible(data: list[str]) -> list[str]:
    """All of it, with some folders of data; nothing twice, and nothing below something else."""
    there = [path for path in SYSTEM if os.path.lexists(path)]
    return _outermost([*there, *of_python(), *of_course(), *data])


def _outermost(folders: Iterable[str]) -> list[str]:
    kept: list[str] = []
    for folder in sorted(set(folders)):
        if not any(folder.startswith(outer.rstrip("/") + "/") for outer in kept):
            kept.append(folder)
    return kept


def closed_to_others(paths: list[str], *, above: bool) -> str | None:
    """The first of these paths, or of the course's files, that an ordinary user
    could not read; None if all can be.

    With `above`, the folders that lead there must let others through as well. Packages are
    looked at from above only: they are many, and installed for everybody.
    """
    wanted = [Path(path) for path in paths]
    if above:
        wanted += [parent for path in wanted for parent in path.resolve().parents]
    wanted += [file for path in wanted if path.is_relative_to(PACKAGE) for file in path.rglob("*")]
    for path in wanted:
        needed = 0o005 if path.is_dir() else 0o004
        if path.exists() and path.stat().st_mode & needed != needed:
            return str(path)
    return None

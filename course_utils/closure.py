"""Which files of the course a module reaches by import, read from the sources: nothing is imported for it.

What a notebook prints and what a mark depends on are decided by the code that they reach. So whoever keeps a
result (of a test, of a grading) keeps with it a digest of that code, and knows later whether it still holds.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def reached(
    modules: Iterable[str], *, without: Collection[str] = (), package: Path = PACKAGE
) -> frozenset[Path]:
    """The files of the package that these modules (dotted names) reach, themselves included.

    An import counts wherever it stands, in a function too. A module that imports `pkgutil` finds its
    neighbours by looking, and so reaches every module of its folder. `without` names modules that are not
    followed, nor what lies below them. Modules of other packages are left out; whoever cares fixes their
    versions.
    """
    waiting, seen = list(modules), set()
    while waiting:
        for name, path in _files(waiting.pop(), package):
            if path in seen or _is_below(name, without):
                continue
            seen.add(path)
            waiting += imported(path, name)
            if "pkgutil" in imported(path, name):
                waiting += [f"{_package_of(path, name)}.{other.stem}" for other in path.parent.glob("*.py")]
    return frozenset(seen)


def digest(files: Iterable[Path], *, root: Path = PACKAGE.parent) -> str:
    """A SHA-256 over the names (below `root`) and the contents of files, in an
    order of its own, as 64 digits.
    """
    whole = hashlib.sha256()
    for path in sorted(files):
        name = path.relative_to(root) if path.is_relative_to(root) else path
        whole.update(f"{name.as_posix()}\0{_content_digest(path, path.stat().st_mtime_ns)}\0".encode())
    return whole.hexdigest()


@cache
def _content_digest(path: Path, changed: int) -> str:
    """The weights are 17 MB, and whoever grades a class asks for each submission."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def imported(path: Path, name: str) -> frozenset[str]:
    """The dotted names that a file imports; `name` is its own, against which relative imports are resolved.

    `from a import b` gives `a.b`: whether b is a module is for the reader to find out.
    """
    return _imported(path, name, path.stat().st_mtime_ns)


@cache
def _imported(path: Path, name: str, changed: int) -> frozenset[str]:
    return imported_by(path.read_text(encoding="utf-8"), _package_of(path, name))


def imported_by(source: str, package: str = "") -> frozenset[str]:
    """The dotted names that a source imports, wherever the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join(filter(None, [*above, node.module]))
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return frozenset(found)


def _package_of(path: Path, name: str) -> str:
    return name if path.name == "__init__.py" else name.rpartition(".")[0]


def _files(name: str, package: Path) -> list[tuple[str, Path]]:
    """What importing a dotted name reads: the packages on the way to it, and the module."""
    parts = name.split(".")
    if parts[0] != package.name:
        return []
    found = []
    for length in range(1, len(parts) + 1):
        here = package.joinpath(*parts[1:length])
        for path in (here / "__init__.py", here.with_suffix(".py")):
            if path.is_file():
                found.append((".".join(parts[:length]), path))
                break
    return found


def _is_below(name: str, modules: Collection[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)

"""A class in one file, to be kept or moved: a zip with a manifest that has the SHA-256 of every file.

The grading seed, with which everything that was drawn can be drawn again, is only in it if somebody says so.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from course_utils.grading.gradebook.nbgrader_steps import SECRET_FILE
from course_utils.grading.gradebook.place import GRADEBOOK, why_no_class

MANIFEST = "course-class.json"
_BLOCK = 1 << 20
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    ValueError,
    TypeError,
    NotImplementedError,
    RuntimeError,
)


class ArchiveError(Exception):
    """An archive cannot be written or read; the message says why."""


def archive(out: Path, file: Path, *, with_seed: bool = False) -> int:
    """Write a class's folder, whose only writer the caller is, into a zip; returns how many files it holds.

    It is read back and checked before it takes its name. Raises `ArchiveError` or `OSError`, and then leaves
    nothing.
    """
    if why := why_no_class(out):
        raise ArchiveError(why)
    if file.exists():
        raise ArchiveError(f"{file} is there already")
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            zipfile.ZipFile(draft, "x", zipfile.ZIP_DEFLATED) as package,
        ):
            whole = Path(folder) / GRADEBOOK
            _copy_database(out / GRADEBOOK, whole)
            sums = {}
            for name, path in _files(out, with_seed):
                sums[name] = _put(package, name, whole if name == GRADEBOOK else path)
            about = {
                "made": datetime.now(UTC).isoformat(timespec="seconds"),
                "seed": SECRET_FILE in sums,
                "files": sums,
            }
            package.writestr(MANIFEST, json.dumps(about, indent=1))
        with _opened(draft) as (package, sums):
            for name in sums:
                _checked(package, name, sums, None)
        os.replace(draft, file)
    finally:
        draft.unlink(missing_ok=True)
    return len(sums)


def restore(file: Path, out: Path) -> bool:
    """Read an archive back into a new folder, each file checked; whether the seed was in it.

    Raises `ArchiveError` where it is damaged, or holds what no archive of ours does; then nothing is there.
    """
    if out.exists():
        raise ArchiveError(f"{out} is there already; an archive is read back into a new folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with _opened(file) as (package, sums):
            for name in sums:
                _checked(package, name, sums, draft / name)
        if SECRET_FILE in sums:
            (draft / SECRET_FILE).chmod(0o600)
        os.replace(draft, out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return SECRET_FILE in sums


def _files(out: Path, with_seed: bool) -> Iterator[tuple[str, Path]]:
    """What belongs to a class: everything but drafts, locks and, unless it is wanted, the seed."""
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out)
        hidden = any(part.startswith(".") for part in name.parts)
        if path.is_symlink() or not path.is_file() or hidden or (name.name == SECRET_FILE and not with_seed):
            continue
        yield name.as_posix(), path


def _copy_database(path: Path, to: Path) -> None:
    """A whole copy, also while formgrader writes."""
    with contextlib.closing(sqlite3.connect(path)) as there, contextlib.closing(sqlite3.connect(to)) as here:
        there.backup(here)


def _put(package: zipfile.ZipFile, name: str, path: Path) -> str:
    whole = hashlib.sha256()
    with open(path, "rb") as source, package.open(name, "w", force_zip64=True) as target:
        while block := source.read(_BLOCK):
            whole.update(block)
            target.write(block)
    return whole.hexdigest()


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[tuple[zipfile.ZipFile, dict[str, str]]]:
    """An archive and the sums of its manifest, which name just what it holds, below its folder."""
    try:
        with zipfile.ZipFile(file) as package:
            sums = json.loads(package.read(MANIFEST))["files"]
            held = [name for name in package.namelist() if name != MANIFEST]
            if sorted(held) != sorted(sums):
                odd = sorted(set(held) ^ set(sums)) or sorted(held)
                raise ArchiveError(f"{file} is damaged: its manifest and its files differ, in {odd[0]!r}")
            for name in sums:
                parts = PurePosixPath(name).parts
                if not parts or name.startswith("/") or ".." in parts or "\\" in name or ":" in name:
                    raise ArchiveError(f"{file} names a place outside its folder: {name[:60]!r}")
            yield package, sums
    except _DAMAGED as error:
        raise ArchiveError(
            f"{file} is damaged, or no archive of a class ({type(error).__name__}: {error})"
        ) from None


def _checked(package: zipfile.ZipFile, name: str, sums: dict[str, str], to: Path | None) -> None:
    """Read a file of an archive, and write it where it is to go; or `ArchiveError` where it is another."""
    whole = hashlib.sha256()
    if to:
        to.parent.mkdir(parents=True, exist_ok=True)
    with package.open(name) as source, open(to or os.devnull, "wb") as target:
        while block := source.read(_BLOCK):
            whole.update(block)
            target.write(block)
    if whole.hexdigest() != sums[name]:
        raise ArchiveError(f"{package.filename} is damaged: {name} is not what was archived")

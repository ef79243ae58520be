"""Writing to disk so that a crash, a full disk or a broken one leaves the old or the new, never half of it.

What is acknowledged survives the death of the server; a power cut may take the last seconds, as the
data are not forced out to the disk.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from course_utils.hub.store.errors import StoreError


def write(file: int, data: bytes | memoryview) -> None:
    """Write all of `data` to an open file.

    OSError if the disk won't take it all: `os.write` may take a part, and say so.
    """
    left = memoryview(data)
    while left:
        count = os.write(file, left)
        if not count:
            raise OSError(errno.ENOSPC, "the disk takes no more")
        left = left[count:]


def write_new(path: str | Path, data: bytes, mode: int = 0o644) -> None:
    """A new file of `data`, read back: it returns only if the file holds exactly that.

    On an error there is no file.
    """
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        try:
            write(file, data)
        finally:
            os.close(file)
        with open(path, "rb", buffering=0) as again:
            if again.readall() != data:
                raise OSError(errno.EIO, "the disk gives back something else than was written")
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise


@contextlib.contextmanager
def replacing(files: Iterable[tuple[Path, bytes]], scratch: Path, mode: int = 0o644) -> Iterator[None]:
    """Lay new contents of some files aside; at the end of the block they are put in place, one rename each.

    OSError leaves every file as it was: what needs room is done before the first rename, and of
    several renames those that were done are taken back. Only a server that is killed between two of
    them leaves one file new and one old.
    """
    asides = []

    def aside(data: bytes) -> Path:
        asides.append(scratch / f"file-{uuid.uuid4().hex}")
        write_new(asides[-1], data, mode)
        return asides[-1]

    try:
        waiting = [(path, aside(data)) for path, data in files]
        old = {path: aside(path.read_bytes()) for path, _ in waiting[:-1] if path.exists()}
        yield
        _rename_all(waiting, old)
    finally:
        for each in asides:
            each.unlink(missing_ok=True)


def _rename_all(waiting: list[tuple[Path, Path]], old: dict[Path, Path]) -> None:
    done = []
    try:
        for path, new in waiting:
            os.replace(new, path)
            done.append(path)
    except OSError:
        for path in done:
            if path in old:
                os.replace(old[path], path)
            else:
                path.unlink()
        raise


def replace(path: Path, data: bytes, scratch: Path, mode: int = 0o644) -> None:
    """Put `data` at `path` in one step. OSError leaves what was there."""
    with replacing([(path, data)], scratch, mode):
        pass


def as_json(value: object) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode()


def replace_json(path: Path, value: object, scratch: Path, mode: int = 0o644) -> None:
    replace(path, as_json(value), scratch, mode)


def read_json(path: Path, missing: Any) -> Any:
    """What a JSON file holds, or `missing` where there is none; StoreError for a file that is no JSON."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return missing
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path.name} is malformed ({error})") from error

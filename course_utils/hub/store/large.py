"""Large files, stored once by their SHA-256.

They lie in the Hub's folder under large/aa/…; each repository that has one holds a second name for the same
bytes (a hard link) where Git LFS expects it, lfs/objects/aa/bb/…. That link is also the right to read: a
repository never shows bytes that were not given to it, however well somebody knows their hash.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import threading
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from course_utils.hub.store import disk
from course_utils.hub.store.errors import HubError, unusable

NO_LINKS = (
    errno.EPERM,
    errno.EMLINK,
    errno.EXDEV,
    errno.ENOTSUP,
    errno.ENOSYS,
)  # the file system has none, or no more
_SHA256 = re.compile(r"[0-9a-f]{64}")


def check_sha256(text: object) -> str:
    if not isinstance(text, str) or not _SHA256.fullmatch(text):
        raise unusable("A large file's id is the SHA-256 of its bytes, 64 hexadecimal digits in lower case.")
    return text


def place_in(repository: Path, sha256: str) -> Path:
    """Where a repository's folder holds a large file."""
    return repository / "lfs" / "objects" / sha256[:2] / sha256[2:4] / sha256


class LargeFiles:
    """The large files of a whole Hub. scratch: a folder on the same disk for uploads under way."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.folder = folder
        self.scratch = scratch
        self._under_way: dict[tuple[str, str, int], Parts] = {}  # (user, sha256, size) -> `Parts`

    def path(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / sha256

    def size(self, sha256: str) -> int | None:
        """Its bytes, or None where there is no such file."""
        try:
            return self.path(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def receive(self, sha256: str, size: int, blocks: Iterable[bytes | memoryview]) -> None:
        """Take in the bytes of one file.

        They count only when there are `size` of them and the hash is right.
        """
        aside = self.scratch / f"large-{uuid.uuid4().hex}"
        digest = hashlib.sha256()
        try:
            with open(aside, "xb", buffering=0) as file:
                write(file, size, blocks, digest)
            self._settle(aside, sha256, digest)
        finally:
            aside.unlink(missing_ok=True)

    def parts(self, user: str, sha256: str, size: int) -> Parts:
        """Somebody's upload in parts of one file, begun or not."""
        place = self.scratch / f"parts-{user}-{sha256}-{size}"
        return self._under_way.setdefault((user, sha256, size), Parts(place))

    def join(self, user: str, sha256: str, size: int, count: int) -> None:
        """Keep the file whose parts have all arrived, if its hash is right;
        otherwise it has to come again.
        """
        with self.parts(user, sha256, size).whole(count) as (path, digest):
            self._settle(path, sha256, digest)

    def give(self, sha256: str, repository: Path) -> None:
        """Let a repository's folder have a large file, too; one that it has with
        another size is damaged, and replaced.
        """
        source, place = self.path(sha256), place_in(repository, sha256)
        if place.exists() and place.stat().st_size == source.stat().st_size:
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        aside = self.scratch / f"link-{uuid.uuid4().hex}"
        try:
            try:
                os.link(source, aside)
            except OSError as error:
                if error.errno not in NO_LINKS:
                    raise
                shutil.copyfile(source, aside)  # a file system without hard links pays with a copy
            os.replace(aside, place)
        finally:
            aside.unlink(missing_ok=True)

    def give_all(self, hashes: set[str], repository: Path) -> list[Path]:
        """Let it have several; returns the places that are new. On an error it has none of those."""
        given = []
        try:
            for sha256 in sorted(hashes):
                place = place_in(repository, sha256)
                known = place.exists()
                self.give(sha256, repository)
                given += [] if known else [place]
        except BaseException:
            for place in given:
                place.unlink(missing_ok=True)
            raise
        return given

    def drop_unused(self) -> None:
        """Delete what no repository holds. For the start, when no upload is under way."""
        for path in self.folder.glob("??/*"):
            if path.stat().st_nlink == 1:
                path.unlink()

    def _settle(self, aside: Path, sha256: str, digest: Any) -> None:
        if digest.hexdigest() != sha256:
            raise unusable("The bytes that came don't have the announced SHA-256; upload the file again.")
        self.path(sha256).parent.mkdir(parents=True, exist_ok=True)
        os.replace(aside, self.path(sha256))


class Parts:
    """A large file on its way in parts. Each is written to its place in one file,
    and nothing is copied at the end.

    What comes in order is hashed as it comes; `whole` hashes the rest. Parts are taken one at a time: who
    tries one again while the first try is still being read waits for its end.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._start_again()

    def _start_again(self) -> None:
        self._arrived: set[int] = set()
        self._hash_again()

    def _hash_again(self) -> None:
        self._digest, self._hashed = hashlib.sha256(), 0  # of the file's first `_hashed` bytes

    def receive(self, number: int, start: int, size: int, blocks: Iterable[bytes | memoryview]) -> None:
        """Take in the part that begins at byte `start`. It counts only when there are `size` bytes of it."""
        with self._lock:
            self._arrived.discard(number)
            if start < self._hashed:  # what was hashed is about to be overwritten
                self._hash_again()
            digest = self._digest.copy() if start == self._hashed else None
            self._place.touch()
            with open(self._place, "r+b", buffering=0) as file:
                file.seek(start)
                write(file, size, blocks, digest)
            self._arrived.add(number)
            if digest is not None:
                self._digest, self._hashed = digest, start + size

    @contextlib.contextmanager
    def whole(self, count: int) -> Iterator[tuple[Path, Any]]:
        """The file of `count` parts and its SHA-256. 422 if one is missing.

        Afterwards the next upload starts afresh.
        """
        with self._lock:
            missing = [str(number) for number in range(1, count + 1) if number not in self._arrived]
            if missing:
                raise unusable(f"Of {count} parts, these did not arrive: {', '.join(missing[:5])}.")
            try:
                with open(self._place, "rb") as file:
                    file.seek(self._hashed)
                    for block in iter(lambda: file.read(2**20), b""):
                        self._digest.update(block)
                yield self._place, self._digest
            finally:
                self._place.unlink(missing_ok=True)
                self._start_again()


def write(file: Any, size: int, blocks: Iterable[bytes | memoryview], digest: Any = None) -> None:
    """Write blocks that are `size` bytes together, and update the digest; 413 or
    422 if they are more or fewer.
    """
    written = 0
    for block in blocks:
        written += len(block)
        if written > size:
            raise HubError(413, f"More than the {size:,} bytes that were announced.")
        if digest is not None:
            digest.update(block)
        disk.write(file.fileno(), block)
    if written != size:
        raise unusable(f"{written:,} bytes came; {size:,} were announced.")

"""Large files, stored once by their SHA-256.

They lie in the Hub's folder under large/aa/…; each repository that has one holds a second name for the same
bytes (a hard link) where Git LFS expects it, lfs/objects/aa/bb/…. That link is also the right to read: a
repository never shows bytes that were not given to it, however well somebody knows their hash.
"""

import hashlib
import os
import re
import shutil
import uuid

from course_utils.hub.store.errors import HubError, unusable

_SHA256 = re.compile(r"[0-9a-f]{64}")


def check_sha256(text):
    if not isinstance(text, str) or not _SHA256.fullmatch(text):
        raise unusable("A large file's id is the SHA-256 of its bytes, 64 hexadecimal digits in lower case.")
    return text


def place_in(repository, sha256):
    """Where a repository's folder holds a large file."""
    return repository / "lfs" / "objects" / sha256[:2] / sha256[2:4] / sha256


class LargeFiles:
    """The large files of a whole Hub. scratch: a folder on the same disk for uploads under way."""

    def __init__(self, folder, scratch):
        self.folder = folder
        self.scratch = scratch

    def path(self, sha256):
        return self.folder / sha256[:2] / sha256

    def size(self, sha256):
        """Its bytes, or None where there is no such file."""
        try:
            return self.path(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def receive(self, sha256, size, blocks):
        """Take in the bytes of one file. They count only when there are `size` of them and the hash is right."""
        aside = self.scratch / f"large-{uuid.uuid4().hex}"
        digest = hashlib.sha256()
        try:
            self._write(aside, size, blocks, digest)
            self._settle(aside, sha256, size, digest)
        finally:
            aside.unlink(missing_ok=True)

    def part(self, user, sha256, number):
        """Where a part of somebody's multipart upload waits for the others."""
        return self.scratch / f"parts-{user}-{sha256}" / str(number)

    def receive_part(self, user, sha256, number, size, blocks):
        """Take in one part; returns its MD5, which the client hands back as a receipt."""
        place = self.part(user, sha256, number)
        place.parent.mkdir(parents=True, exist_ok=True)
        aside = self.scratch / f"part-{uuid.uuid4().hex}"
        digest = hashlib.md5(usedforsecurity=False)
        try:
            written = self._write(aside, size, blocks, digest)
            if written != size:
                raise unusable(f"The part has {written:,} bytes; {size:,} were announced.")
            os.replace(aside, place)
        finally:
            aside.unlink(missing_ok=True)
        return digest.hexdigest()

    def join(self, user, sha256, size, count):
        """Put the parts together, hash the whole and keep it."""
        parts = [self.part(user, sha256, number) for number in range(1, count + 1)]
        missing = [part.name for part in parts if not part.is_file()]
        if missing:
            raise unusable(f"Of {count} parts, these did not arrive: {', '.join(missing[:5])}.")
        aside, digest = self.scratch / f"large-{uuid.uuid4().hex}", hashlib.sha256()
        try:
            os.replace(parts[0], aside)  # the first part grows into the whole: no third copy on the disk
            _update(digest, aside)
            with open(aside, "ab") as whole:
                for part in parts[1:]:
                    with open(part, "rb") as piece:
                        for block in iter(lambda piece=piece: piece.read(2**20), b""):
                            digest.update(block)
                            whole.write(block)
                    part.unlink()
            self._settle(aside, sha256, size, digest)
        finally:
            aside.unlink(missing_ok=True)
            shutil.rmtree(parts[0].parent, ignore_errors=True)

    def give(self, sha256, repository):
        """Let a repository's folder have a large file, too."""
        place = place_in(repository, sha256)
        if place.exists():
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(self.path(sha256), place)
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links pays with a copy
            shutil.copyfile(self.path(sha256), place)

    def drop_unused(self):
        """Delete what no repository holds. For the start, when no upload is under way."""
        for path in self.folder.glob("??/*"):
            if path.stat().st_nlink == 1:
                path.unlink()

    def _write(self, place, size, blocks, digest):
        written = 0
        with open(place, "xb", buffering=0) as file:
            for block in blocks:
                written += len(block)
                if written > size:
                    raise HubError(413, f"More than the {size:,} bytes that were announced.")
                digest.update(block)
                file.write(block)
        return written

    def _settle(self, aside, sha256, size, digest):
        actual = aside.stat().st_size
        if actual != size:
            raise unusable(f"The file has {actual:,} bytes; {size:,} were announced.")
        if digest.hexdigest() != sha256:
            raise unusable("The bytes that came don't have the announced SHA-256; upload the file again.")
        self.path(sha256).parent.mkdir(parents=True, exist_ok=True)
        os.replace(aside, self.path(sha256))


def _update(digest, path):
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(2**20), b""):
            digest.update(block)

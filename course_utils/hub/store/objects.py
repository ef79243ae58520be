"""Git's objects: blobs, trees, commits and tags, named by the SHA-1 of what they hold.

Format: the header "kind size\\0" and the data, compressed by zlib, in objects/aa/bbbb… where
aabbbb… is the name (Git's documentation, "Git Internals - Git Objects"). `git fsck --strict` is
the judge of what is written here.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path

from course_utils.hub.store import disk
from course_utils.hub.store.errors import StoreError
from course_utils.hub.store.names import segment_problem

FILE, FOLDER = b"100644", b"40000"
KINDS = ("blob", "tree", "commit", "tag")
LARGEST = 64 * 2**20
_OID = re.compile(r"[0-9a-f]{40}")
_HEADER_BYTES = 64


@dataclass(frozen=True)
class TreeEntry:
    """One line of a tree."""

    name: str
    oid: str
    folder: bool


@dataclass(frozen=True)
class Commit:
    """A commit. `time`: seconds since 1970, UTC."""

    id: str
    tree: str
    parents: tuple
    author: str
    time: int
    text: str

    @property
    def title(self) -> str:
        return self.text.partition("\n")[0]

    @property
    def message(self) -> str:
        return self.text.partition("\n")[2].strip("\n")


# What the objects say


def name_of(kind: str, data: bytes) -> str:
    """The id of an object: the SHA-1 of its header and data."""
    return sha1(b"%s %d\0" % (kind.encode(), len(data)) + data).hexdigest()


def tree_data(entries: Iterable[TreeEntry]) -> bytes:
    """Git sorts a folder as if its name ended with a slash."""
    lines = sorted((entry.name.encode() + (b"/" if entry.folder else b""), entry) for entry in entries)
    return b"".join(
        b"%s %s\0%s" % (FOLDER if entry.folder else FILE, entry.name.encode(), bytes.fromhex(entry.oid))
        for _, entry in lines
    )


def parse_tree(data: bytes) -> list[TreeEntry]:
    """The entries of a tree. StoreError for anything that the Hub would not have written."""
    entries, position = [], 0
    try:
        while position < len(data):
            end = data.index(b"\0", position)
            mode, _, name = data[position:end].partition(b" ")
            oid = data[end + 1 : end + 21]
            if mode not in (FILE, FOLDER) or len(oid) != 20:
                raise StoreError("a tree holds something that is neither a file nor a folder")
            entries.append(TreeEntry(name.decode(), oid.hex(), mode == FOLDER))
            position = end + 21
    except (ValueError, UnicodeDecodeError) as error:
        raise StoreError("a tree is malformed") from error
    for entry in entries:
        if problem := segment_problem(entry.name):
            raise StoreError(f"a tree has the name {entry.name!r}: {problem}")
    if len({entry.name for entry in entries}) != len(entries) or tree_data(entries) != data:
        raise StoreError("a tree is not sorted, or has a name twice")
    return entries


def commit_data(tree: str, parents: tuple[str, ...], author: str, time: int, text: str) -> bytes:
    """`author` is a user's name, `text` the message with its title as the first line."""
    person = f"{author} <{author}@hub.local> {time} +0000"
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
    return "\n".join(
        [*lines, f"author {person}", f"committer {person}", "", text.rstrip("\n") + "\n"]
    ).encode()


_COMMIT = re.compile(
    r"tree (?P<tree>[0-9a-f]{40})\n(?P<parents>(?:parent [0-9a-f]{40}\n)*)"
    r"author (?P<author>[^<>\n]*) <[^<>\n]*> (?P<time>-?\d{1,12}) [+-]\d{4}\n"
    r"committer [^\n]*\n\n(?P<text>.*)",
    re.DOTALL,
)


def parse_commit(oid: str, data: bytes) -> Commit:
    try:
        match = _COMMIT.fullmatch(data.decode())
    except UnicodeDecodeError:
        match = None
    if not match:
        raise StoreError(f"the commit {oid[:12]} is malformed")
    parents = tuple(line.removeprefix("parent ") for line in match["parents"].splitlines())
    return Commit(oid, match["tree"], parents, match["author"], int(match["time"]), match["text"])


def tag_data(target: str, name: str, author: str, time: int, text: str) -> bytes:
    """An annotated tag of a commit."""
    person = f"{author} <{author}@hub.local> {time} +0000"
    head = f"object {target}\ntype commit\ntag {name}\ntagger {person}"
    return f"{head}\n\n{text.rstrip(chr(10))}\n".encode()


# Where they are kept


class LooseObjects:
    """The objects/ folder of a bare repository: one file an object, written once and never changed.

    scratch: a folder on the same disk for what isn't complete yet.
    """

    def __init__(self, folder: Path, scratch: Path, verify: bool = False) -> None:
        self.folder = folder
        self.scratch = scratch
        self.verify = verify

    def path(self, oid: str) -> str:
        return f"{self.folder}/{oid[:2]}/{oid[2:]}"

    def has(self, oid: str) -> bool:
        return os.path.isfile(self.path(oid))

    def sound(self, oid: str) -> bool:
        """Whether the object is there and is what its name says."""
        try:
            kind, size, data = self._open(oid, LARGEST)
        except (StoreError, OSError):
            return False
        return len(data) == size and name_of(kind, data) == oid

    def read(self, oid: str, most: int = LARGEST) -> tuple[str, bytes]:
        """(kind, data). StoreError when it is missing, broken or larger than `most` bytes."""
        kind, size, data = self._open(oid, most)
        if len(data) != size or (self.verify and name_of(kind, data) != oid):
            raise StoreError(f"the object {oid[:12]} is not what its name says")
        return kind, data

    def size(self, oid: str) -> tuple[str, int]:
        """(kind, bytes), from the header alone."""
        return self._open(oid, 0)[:2]

    def matching(self, prefix: str) -> list[str]:
        """The ids that begin with four or more hexadecimal digits."""
        folder = self.folder / prefix[:2]
        names = os.listdir(folder) if folder.is_dir() else []
        return [prefix[:2] + name for name in names if name.startswith(prefix[2:])]

    def _open(self, oid: str, most: int) -> tuple[str, int, bytes]:
        if not _OID.fullmatch(oid):
            raise StoreError("an object's name is not a SHA-1")
        try:
            with open(self.path(oid), "rb") as file:
                return inflate(
                    file.read(most + most // 1000 + 1024 if most else 4 * _HEADER_BYTES), most, oid
                )
        except FileNotFoundError:
            raise StoreError(f"the object {oid[:12]} is missing") from None

    def batch(self) -> Batch:
        return Batch(self)


def inflate(raw: bytes, most: int, oid: str) -> tuple[str, int, bytes]:
    """(kind, stated size, data) of a compressed object; no more than `most` bytes are ever unpacked."""
    try:
        engine = zlib.decompressobj()
        text = engine.decompress(raw, most + _HEADER_BYTES)
    except zlib.error as error:
        raise StoreError(f"the object {oid[:12]} can't be unpacked") from error
    header, zero, data = text.partition(b"\0")
    kind, _, size = header.decode("latin-1").partition(" ")
    if not zero or kind not in KINDS or not size.isdecimal() or len(size) > 12:
        raise StoreError(f"the object {oid[:12]} has no header")
    if most and int(size) > most:
        raise StoreError(f"the object {oid[:12]} has {int(size):,} bytes; at most {most:,} are read")
    if most and not engine.eof:
        raise StoreError(f"the object {oid[:12]} is cut off")
    return kind, int(size), data


class Batch:
    """New objects that wait aside until all of them are there; then `keep` puts them in their places.

    Nothing refers to them before that, so a commit that fails, or a server that dies, leaves no trace.
    """

    def __init__(self, objects: LooseObjects) -> None:
        self.objects = objects
        self.folder = objects.scratch / f"objects-{uuid.uuid4().hex}"
        self.folder.mkdir(parents=True)
        self.new: set[str] = set()

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, kind: str, data: bytes) -> str:
        """The id of an object, written aside unless it is there already; a damaged one is written anew."""
        oid = name_of(kind, data)
        if oid not in self.new and not self.objects.sound(oid):
            header = b"%s %d\0" % (kind.encode(), len(data))
            disk.write_new(f"{self.folder}/{oid}", zlib.compress(header + data, 1))
            self.new.add(oid)
        return oid

    def keep(self) -> None:
        for oid in sorted(self.new):
            place = self.objects.path(oid)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            os.replace(f"{self.folder}/{oid}", place)
        self.new.clear()


class PackedObjects:
    """Objects in memory, as a snapshot brings them; each is hashed when it is taken in."""

    def __init__(self, contents: Iterable[tuple[str, bytes]]) -> None:
        self._objects = {}
        for kind, data in contents:
            if kind not in KINDS or not isinstance(data, bytes):
                raise StoreError("a snapshot's object has no known kind")
            self._objects[name_of(kind, data)] = (kind, data)

    def has(self, oid: str) -> bool:
        return oid in self._objects

    def read(self, oid: str, most: int = LARGEST) -> tuple[str, bytes]:
        if oid not in self._objects:
            raise StoreError(f"the object {oid[:12]} is missing")
        kind, data = self._objects[oid]
        if len(data) > most:
            raise StoreError(f"the object {oid[:12]} has {len(data):,} bytes; at most {most:,} are read")
        return kind, data

    def size(self, oid: str) -> tuple[str, int]:
        kind, data = self.read(oid)
        return kind, len(data)

    def matching(self, prefix: str) -> list[str]:
        return [oid for oid in self._objects if oid.startswith(prefix)]

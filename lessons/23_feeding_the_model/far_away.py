"""A store that is far away, for trying out caches: any fsspec file system, with a delay and counts.

And rows that a data set reads from it, in the process of whoever asks.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem
from torch.utils.data import Dataset


@dataclass
class Counts:
    """reads: requests for content. asked: requests for lists, sizes and dates. most: at the same time."""

    reads: int = 0
    asked: int = 0
    bytes: int = 0
    most: int = 0
    open: int = field(default=0, repr=False)


class FarAway(AbstractFileSystem):
    """inside: where the files really lie. latency: seconds until an answer begins, of several requests at the
    same time. speed: bytes a second of the line, which all answers share. Only for reading.
    """

    protocol = "faraway"
    cachable = False  # fsspec would give the same object to all who ask with the same arguments

    def __init__(
        self, inside: AbstractFileSystem, latency: float = 0.01, speed: float = 10e6, **options: Any
    ) -> None:
        super().__init__(inside=inside, latency=latency, speed=speed, **options)
        self.inside, self.latency, self.speed = inside, latency, speed
        self.counts, self.counting, self.line = Counts(), threading.Lock(), threading.Lock()

    def forget_counts(self) -> None:
        self.counts = Counts()

    @contextmanager
    def request(self) -> Iterator[None]:
        with self.counting:
            self.counts.open += 1
            self.counts.most = max(self.counts.most, self.counts.open)
        try:
            time.sleep(self.latency)
            yield
        finally:
            with self.counting:
                self.counts.open -= 1

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        with self.request():
            content: bytes = self.inside.cat_file(self._strip_protocol(path), start, end)
            with self.line:
                time.sleep(len(content) / self.speed)
        with self.counting:
            self.counts.reads += 1
            self.counts.bytes += len(content)
        return content

    def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        with self.request():
            self.counts.asked += 1
            return self.inside.ls(self._strip_protocol(path), detail=detail)

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        with self.request():
            self.counts.asked += 1
            found: dict[str, Any] = self.inside.info(self._strip_protocol(path))
            return found

    def _open(self, path: str, mode: str = "rb", block_size: Any = None, **options: Any) -> FarFile:
        return FarFile(self, path, mode, block_size or "default", **options)


class FarFile(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    """A file that is open; its cache decides which ranges are asked for."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        return bytes(self.fs.cat_file(self.path, start, end))


class Store(Protocol):
    def cat_file(self, path: str) -> bytes: ...


class InMemory:
    """Keeps what was read, in this process."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.kept: dict[str, bytes] = {}

    def cat_file(self, path: str) -> bytes:
        if path not in self.kept:
            self.kept[path] = self.store.cat_file(path)
        return self.kept[path]


class OnDisk:
    """Keeps what was read in a folder, which other processes may use, too.

    A file has another name until it is whole, so nobody finds half of one. version: of the data; another one
    does not find the files of this one.
    """

    def __init__(self, store: Store, folder: Path, version: str = "1") -> None:
        self.store, self.folder, self.version = store, folder, version

    def cat_file(self, path: str) -> bytes:
        place = self.folder / hashlib.sha256(f"{self.version} {path}".encode()).hexdigest()
        try:
            return place.read_bytes()
        except FileNotFoundError:
            content = self.store.cat_file(path)
        handle, unfinished = tempfile.mkstemp(dir=self.folder)
        with open(handle, "wb") as file:
            file.write(content)
        os.replace(unfinished, place)
        return content


class FarRows(Dataset[dict[str, torch.Tensor]]):
    """One row a file. "reads": how many remote reads it took, counted in any process."""

    def __init__(self, paths: list[str], far: FarAway, cache: InMemory | OnDisk | None = None) -> None:
        self.paths, self.far, self.cache = paths, far, cache
        if cache:
            cache.store = far

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        before = self.far.counts.reads
        content = (self.cache or self.far).cat_file(self.paths[number])
        row = json.loads(content)
        reads = self.far.counts.reads - before
        return {
            "number": torch.tensor(number),
            "length": torch.tensor(len(row["dialogue"])),
            "reads": torch.tensor(reads),
        }

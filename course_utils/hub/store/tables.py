"""Lists of the Hub that belong to no repository: collections, webhooks.

A JSON file each; what is on disk is what counts.
"""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Iterator
from pathlib import Path

from course_utils.hub.store import disk
from course_utils.hub.store.errors import StoreError, conflict

MOST_ROWS = 10_000


class Table:
    """Rows, as dicts. `rows` is for looking; `changed` gives a copy to change, which is
    written at the end of the block.
    """

    def __init__(self, path: Path, scratch: Path) -> None:
        self._path = path
        self._scratch = scratch
        self._lock = threading.RLock()

    @property
    def exists(self) -> bool:
        """Whether anything was ever kept here."""
        return self._path.exists()

    @property
    def rows(self) -> list[dict]:
        rows = disk.read_json(self._path, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise StoreError(f"{self._path.name} has the wrong fields")
        return rows

    @contextlib.contextmanager
    def changed(self) -> Iterator[list[dict]]:
        with self._lock:
            rows = copy.deepcopy(self.rows)
            yield rows
            if len(rows) > MOST_ROWS:
                raise conflict(f"{self._path.stem.title()} are at most {MOST_ROWS:,}.")
            disk.replace(self._path, disk.as_json(rows), self._scratch)

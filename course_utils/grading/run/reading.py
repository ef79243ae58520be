"""Read a submitted file as cells, whatever an editor, a browser or git made of it.

Every encoding that can be told apart is read, and old formats are upgraded. What is something else, and
can be named (a web page, a Python file, an unsolved conflict), is for a person to look at; what is broken
is refused.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

EARLIER = "attempts"  # the folder, beside a submission's notebook, of what came before it
SUBMISSION_BYTES = 20 * 2**20
SOURCE_CHARACTERS = 200_000
_CONFLICT = ("<<<<<<< ", "=======", ">>>>>>> ")  # how git begins, parts and ends one
_PYTHON = re.compile(r"^(?:#!.*python|# In\s?\[|# %%|(?:import|from|def|class) \w)", re.MULTILINE)
_BINARY = {
    b"PK\x03\x04": "a zip archive",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\x1f\x8b": "an archive",
}
_PLACES = ("html", "py", "pdf", "txt", "zip")  # how else a notebook is downloaded


class Ungradable(Exception):
    """A submission (or a machine) for which there can be no mark; the message says why."""


class NeedsAPerson(Ungradable):
    """A submission that is no notebook of this exercise, but something that can be
    named: a person has to look.
    """


@dataclass(frozen=True)
class Cell:
    """What is taken of a submitted cell: its kind, its source, and the names that it may be matched by."""

    kind: str
    source: str
    ids: tuple[str, ...] = ()
    grade_id: str | None = None


def read_submission(path: Path) -> list[Cell]:
    """The cells of a submitted notebook, in its order.

    Raises `NeedsAPerson` for what is recognized as something else, and
    `Ungradable` for what cannot be read at all.
    """
    return read_cells(content_of(path), path.name)


def content_of(path: Path) -> bytes:
    """A submitted file as it is; raises `Ungradable` for what is no file of a notebook's size."""
    try:
        if not path.is_file() or path.is_symlink():
            raise Ungradable(f"{path.name} is not a plain file")
        if path.stat().st_size > SUBMISSION_BYTES:
            raise Ungradable(f"{path.name} is larger than {SUBMISSION_BYTES // 2**20} MB")
        return path.read_bytes()
    except OSError as error:
        raise Ungradable(f"{path.name} cannot be read: {error.strerror}") from None


def read_cells(content: bytes, name: str) -> list[Cell]:
    """The cells in a notebook's bytes, as `read_submission` has them; `name` is what the file is called."""
    return cells_of(_parsed(content, name))


def instead_of(path: Path) -> str:
    """What lies in a notebook's place under its name with another ending, in words; else ""."""
    for ending in _PLACES:
        other = path.with_suffix(f".{ending}")
        if other.is_file() and not other.is_symlink():
            with open(other, "rb") as file:
                found = _something_else(file.read(2**16)) or "another kind of file"
            return f"{other.name}, {found}"
    return ""


def cells_of(cells: list) -> list[Cell]:
    """Cells as they stand in a notebook's JSON; what is none is left out."""
    return [_cell(cell) for cell in cells if isinstance(cell, dict)]


def _parsed(data: bytes, name: str) -> list:
    """The cells in a file's bytes."""
    try:
        notebook = json.loads(decoded(data).strip("\ufeff\0"))
        cells = _upgraded(notebook)["cells"]
        if type(cells) is not list:
            raise TypeError
        return cells
    except (ValueError, KeyError, TypeError, RecursionError):
        found = _something_else(data)
    if found:
        raise NeedsAPerson(f"{name} is {found}, and no notebook")
    raise Ungradable(f"{name} is not a notebook (broken JSON or no cells)")


def decoded(data: bytes) -> str:
    """A JSON file's text: UTF-8, 16 or 32, with a mark at its beginning or without (RFC 4627);
    where it is none of them, the one byte a character of Western Europe.
    """
    for encoding in (json.detect_encoding(data), "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def _upgraded(notebook: Any) -> Any:
    """A notebook of format 3 or older in today's words."""
    if isinstance(notebook, dict) and "cells" not in notebook and "worksheets" in notebook:
        try:
            return nbformat.convert(nbformat.from_dict(notebook), 4)
        except Exception as error:  # nbformat's own code, on what may be anything
            raise ValueError(str(error)) from None
    return notebook


def _something_else(data: bytes) -> str:
    """What a file is that is no notebook, in words; "" where that can't be said."""
    for start, what in _BINARY.items():
        if data.startswith(start):
            return what
    text = decoded(data).lstrip("\ufeff \t\r\n")
    if _in_conflict(text):
        return "a notebook with an unsolved conflict of git in it"
    if text.startswith("<"):
        return "a web page"
    return "a Python file" if not text.startswith(("{", "[")) and _PYTHON.search(text) else ""


def conflict_in(cells: list[Cell]) -> bool:
    """Whether a cell holds git's marks of an unsolved conflict, as merge tools for notebooks leave them."""
    return any(_in_conflict(cell.source) for cell in cells)


def _in_conflict(text: str) -> bool:
    """Whether the three marks stand in a text, one below the other."""
    waited = list(_CONFLICT)
    for line in text.splitlines():
        if waited and line.startswith(waited[0]):
            waited.pop(0)
    return not waited


def _cell(cell: dict) -> Cell:
    metadata = cell.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    marks = metadata.get("nbgrader")
    grade_id = marks.get("grade_id") if isinstance(marks, dict) else None
    # Colab keeps a cell's id among its metadata.
    ids = tuple(each for each in (cell.get("id"), metadata.get("id")) if type(each) is str)
    kind = cell.get("cell_type")
    return Cell(
        kind if type(kind) is str else "",
        _source(cell),
        ids,
        grade_id if type(grade_id) is str else None,
    )


def _source(cell: dict) -> str:
    source = cell.get("source", "")
    if type(source) is list and all(type(line) is str for line in source):
        source = "".join(source)
    if type(source) is not str:
        return ""
    # JSON may hold halves of characters, which no file can
    return source[:SOURCE_CHARACTERS].encode("utf-8", "replace").decode("utf-8")

"""What a learner's folder holds, from the sources: lessons without the notes for instructors, released
exercises, and a page that says how to begin.

A wheel brings all of it along and is built where nothing but setuptools is installed, so the standard library
is enough here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

INSTRUCTOR_TAG = "instructor"
LITTER = (".ipynb_checkpoints", "__pycache__")
README = """# One day of generative AI: your workbook

Lessons to read and run, and exercises that tell you how far you are. Everything in this folder is yours to
write in. A later `course start` here brings a newer edition: what you have not written in is replaced, what
you have written in stays, and the newer text lies beside it under a name with its number.

Where the workbook is installed already, `course lab` in this folder opens it in JupyterLab. Where it is not,
and a `Makefile` lies here, `make start` installs what is missing and opens it; you need Python 3.11 or newer,
`make` and 4 GB of disk. On Windows: `python course_utils\\install.py`, then `.venv\\Scripts\\course lab`.

| you want to | go to |
|---|---|
| learn | [lessons/index.ipynb](lessons/index.ipynb), the first page |
| practise | `exercises/`, one folder a chapter; `course check exercises/NAME` checks one from the shell |
| see how far you are | `course progress` |
| hand something in | `course submit exercises/NAME` packs it and prints a receipt |
| find out what is wrong | `course doctor` |
"""


def learners_files(root: Path, released: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """What a learner works with: path in the folder -> content.

    released: exercise -> its released notebook; without it those in `root/exercises` are taken.
    """
    if released is None:
        names = [path.parent.name for path in sorted((root / "exercises").glob("*/*.ipynb"))]
        released = {name: (root / "exercises" / name / f"{name}.ipynb").read_bytes() for name in names}
    found = {path.relative_to(root).as_posix(): path.read_bytes() for path in files_in(root / "lessons")}
    lessons = {name: without_notes(data) if name.endswith(".ipynb") else data for name, data in found.items()}
    exercises = {f"exercises/{name}/{name}.ipynb": data for name, data in released.items()}
    return lessons | exercises | {"README.md": README.encode()}


def without_notes(notebook: bytes) -> bytes:
    """A lesson without its instructor's cells; its other cells and their outputs stay as they are."""
    read = json.loads(notebook)
    read["cells"] = [cell for cell in read["cells"] if INSTRUCTOR_TAG not in cell["metadata"].get("tags", [])]
    return (json.dumps(read, indent=1, ensure_ascii=False) + "\n").encode()


def files_in(folder: Path) -> list[Path]:
    """The files below a folder, without caches and what is hidden."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not _is_litter(path, folder)]


def _is_litter(path: Path, folder: Path) -> bool:
    parts = path.relative_to(folder).parts
    return any(part in LITTER or part.startswith(".") for part in parts) or path.suffix == ".pyc"

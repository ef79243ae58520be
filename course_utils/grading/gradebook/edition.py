"""`course start FOLDER`: a learner's own folder, and what a class gets packed as one file.

A clone of the workbook holds every solution. A learner's edition holds none: lessons without the notes for
instructors, the released exercises, and a page that says how to begin. What a class gets
(`course release --edition ARCHIVE`) is the same with the package itself, so that it can be installed where
nothing is; the exercises as they were released lie in it once more, for `course submit` to compare with.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from course_utils.files import write_whole
from course_utils.grading.gradebook.originals import RELEASED
from course_utils.grading.gradebook.release import (
    INSTRUCTOR_TAG,
    LITTER,
    ReleaseError,
    build,
    exercise_names,
)
from course_utils.install import ROOT
from course_utils.workplace import FIRST_PAGE

#: What installs the package; the file's text up to the line that begins with LEARNERS_END, where it has one.
INSTALLED_FROM = ("Makefile", "pyproject.toml", "constraints.txt", "environment.yml", "LICENSE")
LEARNERS_END = "# A learner's edition ends here"
FOLDER_IN_ARCHIVE = "workbook"
SOME_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can hold; its bytes depend on its contents only
README = """# One day of generative AI: your workbook

Lessons to read and run, and exercises that tell you how far you are. Everything in this folder is yours to
write in; nothing here is overwritten by a later `course start`.

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


class EditionError(Exception):
    """A folder or an archive that cannot be written; the message says what to do."""


# What is in it


def learners_files(root: Path = ROOT) -> dict[str, bytes]:
    """What a learner works with: path in the folder -> content."""
    return _lessons(root) | _exercises(released_exercises(root))


def class_files(root: Path = ROOT) -> dict[str, bytes]:
    """What a class gets: `learners_files`, and the package with what installs it."""
    released = released_exercises(root)
    package = {_name(path, root): path.read_bytes() for path in _files(root / "course_utils")}
    set_up = {name: _for_learners((root / name).read_bytes()) for name in INSTALLED_FROM}
    place = RELEASED.relative_to(ROOT).as_posix()
    kept = {f"{place}/{name}.ipynb": data for name, data in released.items()}
    return _lessons(root) | _exercises(released) | package | set_up | kept


def _lessons(root: Path) -> dict[str, bytes]:
    found = {_name(path, root): path.read_bytes() for path in _files(root / "lessons")}
    lessons = {name: without_notes(data) if name.endswith(".ipynb") else data for name, data in found.items()}
    return lessons | {"README.md": README.encode()}


def _exercises(released: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"exercises/{name}/{name}.ipynb": data for name, data in released.items()}


def released_exercises(root: Path) -> dict[str, bytes]:
    """Every exercise as it is released: name -> notebook. Built from the solutions where they are."""
    names = exercise_names(root / "solutions")
    if not names:
        return {path.stem: path.read_bytes() for path in _files(root / RELEASED.relative_to(ROOT))}
    with tempfile.TemporaryDirectory() as place:
        build(root / "solutions", Path(place), names)
        return {name: Path(place, name, f"{name}.ipynb").read_bytes() for name in names}


def without_notes(notebook: bytes) -> bytes:
    """A lesson without its instructor's cells; its other cells and their outputs stay as they are."""
    read = json.loads(notebook)
    read["cells"] = [cell for cell in read["cells"] if INSTRUCTOR_TAG not in cell["metadata"].get("tags", [])]
    return (json.dumps(read, indent=1, ensure_ascii=False) + "\n").encode()


def _for_learners(data: bytes) -> bytes:
    return data.partition(LEARNERS_END.encode())[0]


def _files(folder: Path) -> list[Path]:
    """The files below a folder, without caches and what is hidden."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not _is_litter(path, folder)]


def _is_litter(path: Path, folder: Path) -> bool:
    parts = path.relative_to(folder).parts
    return any(part in LITTER or part.startswith(".") for part in parts) or path.suffix == ".pyc"


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


# Laid out, and packed


@dataclass
class LaidOut:
    """What became of each file: written new, there already as it should be, or kept because it differs."""

    added: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def text(self, folder: Path) -> str:
        """The outcome for people."""
        lines = [f"{folder}: {len(self.added)} files added, {len(self.same)} were there already"]
        if self.kept:
            lines.append(f"kept as you have them ({len(self.kept)}):")
            lines += [f"  {name}" for name in self.kept]
            lines.append("To get one of them anew, move yours away and start again.")
        return "\n".join(lines)


def lay_out(files: Mapping[str, bytes], folder: Path) -> LaidOut:
    """Write the files that are missing in a folder, and touch none that is there.

    Raises `OSError` where one cannot be written; those before it stay, and the next call goes on.
    """
    done = LaidOut()
    for name, data in sorted(files.items()):
        path = folder / name
        if not path.exists() and not path.is_symlink():
            write_whole(path, data)
            done.added.append(name)
        elif path.is_file() and path.read_bytes() == data:
            done.same.append(name)
        else:
            done.kept.append(name)
    return done


def pack(files: Mapping[str, bytes]) -> bytes:
    """A zip of the files in one folder; the same files give the same bytes."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{FOLDER_IN_ARCHIVE}/{name}", SOME_TIME)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # plain files, whoever packs them
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return whole.getvalue()


def write_edition(archive: Path, root: Path = ROOT) -> int:
    """Pack what a class gets into one file, whole or not at all; how many files are in it.

    Raises `EditionError`, and then leaves what was there.
    """
    try:
        files = class_files(root)
        write_whole(archive, pack(files))
    except (OSError, ReleaseError) as error:
        raise EditionError(f"the edition could not be packed ({error}); {archive} is as it was") from error
    return len(files)


def start(folder: Path, root: Path = ROOT) -> LaidOut:
    """Lay out a learner's folder. Raises `EditionError`."""
    if (root / "solutions").is_dir() and folder.resolve() == root.resolve():
        raise EditionError("this is the workbook itself; name a folder of your own, such as ../my-workbook")
    try:
        return lay_out(learners_files(root), folder)
    except (OSError, ReleaseError) as error:
        raise EditionError(
            f"{folder} could not be laid out ({error}). Nothing that was there was changed; mend that and "
            "start again, and it goes on."
        ) from error


def main(argv: list[str] | None = None) -> int:
    """The `course start` command."""
    parser = argparse.ArgumentParser(
        prog="course start",
        description="Lay out lessons and exercises in a folder of your own, and open it in JupyterLab. "
        "What is there already stays as it is.",
    )
    parser.add_argument("folder", type=Path, help="where you want to work; made if need be")
    parser.add_argument("--no-lab", action="store_true", help="only lay it out")
    parser.add_argument("--port", help="JupyterLab's port (default: 8888, or the next free one)")
    options = parser.parse_args(argv)
    try:
        print(start(options.folder).text(options.folder))
    except EditionError as error:
        print(f"course start: {error}", file=sys.stderr)
        return 1
    print(f"Begin with {FIRST_PAGE}; `course lab` in this folder opens it.", flush=True)
    return 0 if options.no_lab else _open(options.folder, options.port)


def _open(folder: Path, port: str | None) -> int:
    """JupyterLab in a process of its own, in the learner's folder."""
    import subprocess

    command = [sys.executable, "-m", "course_utils.cli", "lab", *(["--port", port] if port else [])]
    return subprocess.run(command, cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main())

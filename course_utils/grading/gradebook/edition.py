"""`course start [FOLDER]`: a learner's own folder, and what a class gets packed as one file.

A clone of the workbook holds every solution. A learner's edition holds none: lessons without the notes for
instructors, the released exercises, and a page that says how to begin. What a class gets
(`course release --edition ARCHIVE`) is the same with the package itself, so that it can be installed where
nothing is; in the package lie lessons and exercises once more, as nobody has touched them, for `course start`
and `course submit`. A wheel brings the same (`setup.py`).
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from course_utils import __version__, learners
from course_utils.files import write_whole
from course_utils.grading.gradebook.laying_out import RECORD, LaidOut, lay_out, record_of
from course_utils.install import ROOT
from course_utils.texts.markdown import Tongue
from course_utils.workplace import FIRST_PAGE, FOLDER, PACKED, WORKBOOK, is_clone, own_folder

#: What installs the package; the file's text up to the line that begins with LEARNERS_END, where it has one.
INSTALLED_FROM = ("Makefile", "pyproject.toml", "constraints.txt", "environment.yml", "LICENSE")
LEARNERS_END = "# A learner's edition ends here"
FOLDER_IN_ARCHIVE = "workbook"
SOME_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can hold; its bytes depend on its contents only


class EditionError(Exception):
    """A folder or an archive that cannot be written; the message says what to do."""


# What is in it


def learners_files(root: Path = WORKBOOK) -> dict[str, bytes]:
    """What a learner works with: path in the folder -> content. A clone builds the exercises anew."""
    if is_clone(root):
        return learners.learners_files(root, released_exercises(root))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in learners.files_in(root)}


def class_files(root: Path = ROOT, tongue: Tongue | None = None) -> dict[str, bytes]:
    """What a class gets: `learners_files` with their record, and the package with what installs it; the
    exercises in another language as far as it has their texts.
    """
    found = learners_files(root)
    if tongue:
        found |= {
            name: tongue.notebook(data)[0] for name, data in found.items() if name.startswith("exercises/")
        }
    package = {_name(path, root): path.read_bytes() for path in learners.files_in(root / "course_utils")}
    set_up = {name: _for_learners((root / name).read_bytes()) for name in INSTALLED_FROM}
    place = PACKED.relative_to(ROOT).as_posix()
    untouched = {f"{place}/{name}": data for name, data in found.items()}
    return found | {RECORD: record_of(found)} | package | set_up | untouched


def released_exercises(root: Path) -> dict[str, bytes]:
    """Every exercise as it is released, built from the solutions: name -> notebook. Raises `EditionError`."""
    from course_utils.grading.gradebook.release import ReleaseError, build, exercise_names  # nbgrader: 3 s

    names = exercise_names(root / "solutions")
    with tempfile.TemporaryDirectory() as place:
        try:
            build(root / "solutions", Path(place), names)
        except ReleaseError as error:
            raise EditionError(f"the exercises cannot be released ({error})") from error
        return {name: Path(place, name, f"{name}.ipynb").read_bytes() for name in names}


def _for_learners(data: bytes) -> bytes:
    return data.partition(LEARNERS_END.encode())[0]


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


# Laid out, and packed


def pack(files: Mapping[str, bytes]) -> bytes:
    """A zip of the files in one folder; the same files give the same bytes."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{FOLDER_IN_ARCHIVE}/{name}", SOME_TIME)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # plain files, whoever packs them
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return whole.getvalue()


def write_edition(archive: Path, root: Path = ROOT, tongue: Tongue | None = None) -> int:
    """Pack what a class gets into one file, whole or not at all; how many files are in it.

    Raises `EditionError`, and then leaves what was there.
    """
    try:
        files = class_files(root, tongue)
        write_whole(archive, pack(files))
    except OSError as error:
        raise EditionError(f"the edition could not be packed ({error}); {archive} is as it was") from error
    return len(files)


def chosen_folder(named: Path | None) -> Path:
    """Where a learner's folder is laid out: the one that is named; else the learner's folder that we are in;
    else `FOLDER` in the current folder or, where nothing can be written there, at home.
    """
    if named is not None:
        return named
    here = Path.cwd()
    writable = here if os.access(here, os.W_OK) else Path.home()
    return own_folder(here) or writable / FOLDER


def start(folder: Path, root: Path = WORKBOOK) -> LaidOut:
    """Lay out a learner's folder, or bring a newer edition into it. Raises `EditionError`."""
    if folder.resolve() in (root.resolve(), PACKED.resolve()):
        raise EditionError("this is the workbook itself; name a folder of your own, such as ../my-workbook")
    try:
        return lay_out(learners_files(root), folder, __version__)
    except OSError as error:
        raise EditionError(
            f"{folder} could not be laid out ({error}). Nothing that you wrote was changed; mend that, or "
            "name another folder, and start again, and it goes on."
        ) from error


def main(argv: list[str] | None = None) -> int:
    """The `course start` command."""
    parser = argparse.ArgumentParser(
        prog="course start",
        description="Lay out lessons and exercises in a folder of your own, and open it in JupyterLab. "
        "What you wrote there stays as it is; what you have not written in is brought up to date.",
    )
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        help=f"where you want to work; made if need be (default: the one you are in, else {FOLDER} here)",
    )
    parser.add_argument("--no-lab", action="store_true", help="only lay it out")
    parser.add_argument("--port", help="JupyterLab's port (default: 8888, or the next free one)")
    options = parser.parse_args(argv)
    folder = chosen_folder(options.folder)
    try:
        print(start(folder).text(folder.resolve()))
    except EditionError as error:
        print(f"course start: {error}", file=sys.stderr)
        return 1
    print(f"Begin with {FIRST_PAGE}; `course lab` in this folder opens it.", flush=True)
    return 0 if options.no_lab else _open(folder, options.port)


def _open(folder: Path, port: str | None) -> int:
    """JupyterLab in a process of its own, in the learner's folder. `-P`: a package that lies there, in an
    older edition, is not taken for this one.
    """
    command = [sys.executable, "-P", "-m", "course_utils.cli", "lab", *(["--port", port] if port else [])]
    return subprocess.run(command, cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main())

"""Where the workbook lies, and where a learner works.

A clone is the workbook itself. Where only the package is installed, it brings the workbook along in a folder
of its own, from which `course start` lays out a learner's.
"""

from __future__ import annotations

from pathlib import Path

from course_utils.install import ROOT

FIRST_PAGE = "lessons/index.ipynb"
PACKAGE = Path(__file__).parent
#: What a wheel and a learner's edition bring along: lessons and released exercises that nobody has touched.
PACKED = PACKAGE / "workbook"
#: The folder with lessons/ and exercises/ as they came.
WORKBOOK = PACKED if (PACKED / FIRST_PAGE).is_file() else ROOT
FOLDER = "course-workbook"


def workplace(start: Path | None = None) -> Path:
    """The nearest folder with the first page, from `start` (the current one) upwards; else the workbook."""
    return own_folder(start) or WORKBOOK


def own_folder(start: Path | None = None) -> Path | None:
    """The nearest folder with the first page, from `start` (the current one) upwards, if there is one."""
    begin = (start or Path.cwd()).resolve()
    return next((each for each in (begin, *begin.parents) if (each / FIRST_PAGE).is_file()), None)


def is_clone(root: Path = ROOT) -> bool:
    """Whether this is the repository, with what exercises are written in, and no package or edition."""
    return (root / "solutions").is_dir() and (root / "pyproject.toml").is_file()

"""Where a learner works: the workbook itself, or a folder of their own that `course start` laid out."""

from __future__ import annotations

from pathlib import Path

from course_utils.install import ROOT

FIRST_PAGE = "lessons/index.ipynb"


def workplace(start: Path | None = None) -> Path:
    """The nearest folder with the first page, from `start` (the current one) upwards; else the workbook."""
    begin = (start or Path.cwd()).resolve()
    return next((each for each in (begin, *begin.parents) if (each / FIRST_PAGE).is_file()), ROOT)

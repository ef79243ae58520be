"""An exercise as it was released, whatever became of the copy that somebody works in.

A learner works in `exercises/` itself, or anywhere else, so no copy there says what was released. A clone
of the workbook builds it again from `solutions/`; a wheel and a learner's edition, which have none, bring it
along in the package.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from nbformat import NotebookNode

from course_utils.grading.run.executor import read_released
from course_utils.grading.run.reading import Ungradable
from course_utils.install import ROOT
from course_utils.workplace import PACKED

RELEASED = PACKED / "exercises"


def original(name: str, solutions: Path = ROOT / "solutions", released: Path = RELEASED) -> NotebookNode:
    """The exercise's released notebook. Raises `Ungradable` where there is no such exercise."""
    file = f"{name}.ipynb"
    if (released / name / file).is_file():
        return read_released(released / name / file)
    if not (solutions / name / file).is_file():
        raise Ungradable(f"there is no exercise {name}")
    # imported here, as only a clone has nbgrader for certain
    from course_utils.grading.gradebook.release import ReleaseError, build

    with tempfile.TemporaryDirectory() as place:
        try:
            build(solutions, Path(place), [name])
        except ReleaseError as error:
            raise Ungradable(f"the exercise cannot be released ({error})") from error
        return read_released(Path(place, name, file))

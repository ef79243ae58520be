"""What pyproject.toml cannot say: a wheel brings lessons and exercises along, made when it is built."""

import shutil
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

from course_utils.learners import learners_files  # noqa: E402


class BuildWithWorkbook(build_py):
    """The package, and in it the folder `workbook` (`course_utils.workplace.PACKED`).

    An editable install takes them from the clone.
    """

    def run(self):
        super().run()
        if not self.editable_mode:
            place = Path(self.build_lib, "course_utils", "workbook")
            shutil.rmtree(place, ignore_errors=True)
            for name, data in learners_files(ROOT).items():
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                (place / name).write_bytes(data)
            shutil.copy(ROOT / "constraints.txt", place)  # for `course doctor`: what was tested


setup(cmdclass={"build_py": BuildWithWorkbook})

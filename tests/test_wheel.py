"""Without a clone: a wheel holds the workbook, and from it alone one starts, runs a lesson, does an exercise, hands in.

The wheel is built once and unpacked as pip does it. Nothing here runs in the repository, and each process says
where its package lies.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from course_utils import __version__, learners
from tests.isolation import GUARD

NAME = f"course_workbook-{__version__}-py3-none-any.whl"


@pytest.fixture(scope="session")
def wheel(root, tmp_path_factory):
    """Built from a copy, as setuptools leaves a folder `build` where it works."""
    source, place = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for folder in ("course_utils", "lessons", "exercises"):
        shutil.copytree(root / folder, source / folder, ignore=shutil.ignore_patterns(*learners.LITTER))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(root / name, source / name)
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    environment = os.environ | {"PYTHONPATH": str(GUARD)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", build, str(place)],
        cwd=source,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return place / NAME


@pytest.fixture(scope="session")
def site(wheel, tmp_path_factory):
    """A folder of packages, with nothing but the course in it."""
    place = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    return place


class Shell:
    """Runs `course` and Python in a folder, with the wheel's content on the path and the repository not."""

    def __init__(self, site, folder, **variables):
        self.site, self.folder = site, folder
        self.environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(site), str(GUARD)]),
            "COURSE_DATA": str(folder.parent / "data"),
            **variables,
        }

    def python(self, *arguments):
        command = [sys.executable, "-P", *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=1200
        )

    def course(self, *arguments):
        return self.python("-m", "course_utils.cli", *arguments)


@pytest.fixture
def shell(site, tmp_path):
    folder = tmp_path / "learner"
    folder.mkdir()
    made = Shell(site, folder)
    where = made.python("-c", "import course_utils; print(course_utils.__file__)").stdout.strip()
    assert Path(where).is_relative_to(site)
    return made


# What is in it


def test_it_holds_the_package_and_what_a_learner_gets(wheel, root):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    found = {name for name in names if ".dist-info/" not in name}
    package = {path.relative_to(root).as_posix() for path in learners.files_in(root / "course_utils")}
    brought = {f"course_utils/workbook/{name}" for name in learners.learners_files(root)}
    assert found == package | brought
    assert wheel.stat().st_size < 25e6  # measured: 20 MB


def test_neither_solutions_nor_notes_are_in_it(site):
    notebooks = list((site / "course_utils" / "workbook").rglob("*.ipynb"))
    assert len(notebooks) > 50
    for path in notebooks:
        for cell in json.loads(path.read_bytes())["cells"]:
            assert learners.INSTRUCTOR_TAG not in cell["metadata"].get("tags", []), path
            assert "BEGIN SOLUTION" not in "".join(cell["source"]), path


def test_one_starts_from_it_and_a_newer_one_is_merged(shell, root):
    first = shell.course("start", "--no-lab")
    assert first.returncode == 0, first.stderr
    mine = shell.folder / "course-workbook"
    assert f"{mine.resolve()}: " in first.stdout
    brought = learners.learners_files(root)
    assert {name: (mine / name).read_bytes() for name in brought} == brought
    (mine / "README.md").write_text("my notes")
    again = shell.course("start", "--no-lab")
    assert "0 files added" in again.stdout and "  README.md\n" in again.stdout
    assert (mine / "README.md").read_text() == "my notes"


def test_what_needs_a_clone_says_so(shell):
    done = shell.course("release")
    assert done.returncode == 1 and "course release needs a clone" in done.stderr
    opened = shell.course("lab")
    assert opened.returncode == 1 and "`course start`" in opened.stderr


def test_chapters_are_known_and_points_are_shown_wherever_one_is(shell):
    assert "04_evaluation" in shell.course("progress").stdout
    code = "from course_utils.chapters.chapter import chapters; print([each.has_exercise for each in chapters()])"
    done = shell.python("-c", code)
    assert done.stdout.count("True") > 10, done.stderr

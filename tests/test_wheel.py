"""Without a clone: a wheel holds the workbook, and from it alone one starts, runs a lesson, does an exercise, hands in.

The wheel is built once and unpacked as pip does it. Nothing here runs in the repository, and each process says
where its package lies.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import nbformat
import pytest

from course_utils import __version__, learners
from course_utils.cli import GRADING_PACKAGES
from tests.isolation import GUARD

NAME = f"course_workbook-{__version__}-py3-none-any.whl"


@pytest.fixture(scope="session")
def wheel(root, tmp_path_factory):
    """Built from a copy, as setuptools leaves a folder `build` where it works."""
    source, place = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for folder in ("course_utils", "lessons", "exercises"):
        shutil.copytree(root / folder, source / folder, ignore=shutil.ignore_patterns(*learners.LITTER))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in", "constraints.txt"):
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
    before = state(place)
    yield place
    assert state(place) == before, "somebody may have installed it where a learner cannot write"


def state(folder):
    """{file: when it was changed}, without what Python leaves behind."""
    files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {path: path.stat().st_mtime_ns for path in files}


class Shell:
    """Runs `course` and Python in a folder, with the wheel's content on the path and the repository not.

    What only those who grade install cannot be imported.
    """

    def __init__(self, site, folder, **variables):
        self.site, self.folder = site, folder
        missing = folder.parent / "missing"
        missing.mkdir()
        for name in GRADING_PACKAGES:
            (missing / f"{name}.py").write_text(f"raise ModuleNotFoundError('not here', name={name!r})")
        self.environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(missing), str(site), str(GUARD)]),
            "COURSE_DATA": str(folder.parent / "data"),
            "PATH": str(Path(sys.executable).parent),  # no make, no git
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
    assert found == package | brought | {"course_utils/workbook/constraints.txt"}
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
    reported = shell.course("report", "class")
    assert reported.returncode == 1 and 'pip install "course-workbook[grading]"' in reported.stderr
    opened = shell.course("lab")
    assert opened.returncode == 1 and "`course start`" in opened.stderr


def test_chapters_are_known_and_points_are_shown_wherever_one_is(shell):
    assert "04_evaluation" in shell.course("progress").stdout
    code = "from course_utils.chapters.chapter import chapters; print([each.has_exercise for each in chapters()])"
    done = shell.python("-c", code)
    assert done.stdout.count("True") > 10, done.stderr


# A notebook alone

# Runs the code cells of a notebook in IPython, without JupyterLab, one after the other; what they say is on stdout.
# Packages of this environment are there but for those that .pth files bring: the repository is installed that way.
ALONE = """
import json, sys
notebook, last, packages, *first = sys.argv[1:]
sys.path[:0] = first
sys.path.append(packages)
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
config = Config()
config.HistoryManager.enabled = False
config.InteractiveShell.colors = "nocolor"
shell = InteractiveShell.instance(config=config)
for cell in json.load(open(notebook, encoding="utf-8"))["cells"]:
    if cell["cell_type"] == "code":
        shell.run_cell("".join(cell["source"]), store_history=True)
    if cell["id"] == last:
        break
import course_utils
print("course_utils is at", course_utils.__file__)
"""


def alone(folder, notebook, last, *first, **variables):
    """Run a notebook down to the cell `last` in a process that has IPython and no JupyterLab server."""
    command = [sys.executable, "-P", "-S", "-c", ALONE, str(notebook), last, sysconfig.get_path("purelib")]
    environment = os.environ | {"COURSE_DATA": str(folder / "data"), "PYTHONPATH": "", **variables}
    done = subprocess.run(
        [*command, *map(str, first)], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
    return done.stdout + done.stderr


@pytest.fixture
def stub(root, tmp_path):
    """The released exercise 04 alone in a folder, as somebody opened it on Colab."""
    return shutil.copy(root / "exercises" / "04_evaluation" / "04_evaluation.ipynb", tmp_path)


def test_a_notebook_alone_installs_the_course_and_its_checks_work(wheel, stub, tmp_path):
    """The wheel lies beside it. pip is kept from the network, and from this environment."""
    shutil.copy(wheel, tmp_path)
    target = tmp_path / "target"
    target.mkdir()
    pip = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_COMPILE": "1", "PIP_TARGET": str(target)}
    said = alone(tmp_path, stub, "q1-check", target, **pip)
    assert f"course_utils is at {target}" in said, said
    assert "profile offline, because" in said
    assert "0 of 3 points (not started)" in said, said


def test_a_notebook_alone_says_so_where_the_course_cannot_be_had(stub, tmp_path):
    # pip runs in this environment, whose own editable course would satisfy it
    said = alone(tmp_path, stub, "setup", PIP_NO_INDEX="1", PIP_IGNORE_INSTALLED="1")
    assert f"course-workbook=={__version__}" in said
    assert "No matching distribution found" in said and "No module named 'course_utils'" in said


# A day's work


@pytest.mark.exhaustive
def test_a_lesson_an_exercise_and_a_hand_in(shell, root):
    """Lesson 06.1 in a kernel; exercise 04 done, checked and handed in; a hand-in that is an instructor's to grade."""
    assert shell.course("start", "--no-lab").returncode == 0
    shell.folder = mine = shell.folder / "course-workbook"
    here = nbformat.v4.new_code_cell(
        f"import course_utils; assert course_utils.__file__.startswith({str(shell.site)!r})"
    )
    nbformat.write(nbformat.v4.new_notebook(cells=[here]), mine / "lessons" / "0_where.ipynb")
    lessons = ("lessons/0_where.ipynb", "lessons/06_full_fine_tuning/01_meet_flan_t5.ipynb")
    ran = shell.course("rehearse", *lessons)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 notebooks" in ran.stdout
    name = "04_evaluation"
    work = mine / "exercises" / name / f"{name}.ipynb"
    assert shell.course("check", name, "q1").returncode == 1  # nothing is done yet
    shutil.copy(root / "solutions" / name / f"{name}.ipynb", work)  # somebody who knows
    checked = shell.course("check", f"exercises/{name}")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    handed_in = shell.course("submit", name)
    answered, questions = re.search(r"(\d+) of (\d+) cells worked on", handed_in.stdout).groups()
    assert answered == questions and "Hand in" in handed_in.stdout
    with zipfile.ZipFile(next(mine.glob(f"{name}-*.zip"))) as package:
        assert package.read(f"{name}.ipynb") == work.read_bytes()

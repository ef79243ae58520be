"""A learner sees the system, Python and the course, and of the course not what grades them."""

import os
import sys
from pathlib import Path

from course_utils.grading.sandbox import places


def covered(path, seen):
    return any(str(path) == each or str(path).startswith(each + "/") for each in seen)


def test_what_grades_is_not_seen(root):
    seen = places.visible([])
    package = root / "course_utils"
    hidden = [
        root / "solutions",
        root / "tests",
        root / ".git",
        package / "checks" / "framework.py",
        package / "checks" / "chapters" / "__init__.py",
        package / "checks" / "chapters" / "full_fine_tuning.py",
        package / "checks" / "learner" / "notebook.py",
        package / "grading" / "executor.py",
        package / "grading" / "autograde.py",
        package / "__pycache__",
        Path("/etc/passwd"),
        Path("/root/.ssh"),
        Path("/home"),
    ]
    assert [path for path in hidden if covered(path, seen)] == []


def test_nothing_of_the_checks_is_seen(root):
    """Whatever rooms the checks get: no file of theirs is seen, and no folder above one as a whole."""
    seen = places.visible([])
    of_the_checks = [path for path in (root / "course_utils" / "checks").rglob("*") if path.is_file()]
    assert {path.parent.name for path in of_the_checks} >= {"checks", "chapters", "learner"}
    assert [path for path in of_the_checks if covered(path, seen)] == []


def test_what_a_notebook_needs_is_seen(root):
    seen = places.visible(["/somewhere/data"])
    package = root / "course_utils"
    needed = [
        Path(os.__file__),
        Path(sys.executable).resolve(),
        Path(sys.prefix) / "pyvenv.cfg" if sys.prefix != sys.base_prefix else Path(sys.prefix),
        package / "__init__.py",
        package / "course.py",
        package / "models" / "assets",
        package / "measure" / "evaluation.py",
        package / "grading" / "run" / "worker.py",
        Path("/usr/bin"),
        Path("/somewhere/data/file"),
    ]
    assert [path for path in needed if not covered(path, seen)] == []


def test_packages_that_stand_elsewhere_are_seen(tmp_path, monkeypatch):
    """Those of `pip install --user`, or of a folder that a .pth file names: there, all work had no marks."""
    users = tmp_path / "lib" / "python3.11" / "site-packages"
    users.mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [*sys.path, str(users), str(tmp_path)])
    assert str(users) in places.packages()
    assert covered(users / "torch", places.visible([]))
    assert not covered(tmp_path / "solutions", places.visible([])), (
        "a folder of code is no folder of packages"
    )


def test_nothing_is_named_twice():
    seen = places.visible([sys.prefix, sys.prefix + "/lib"])
    assert len(seen) == len(set(seen))
    assert not [path for path in seen for other in seen if path.startswith(other + "/")]


def test_what_runs_inside_is_there(root):
    assert all((root / "course_utils" / name).is_file() for name in places.INSIDE)


def test_closed_folders_are_found(tmp_path):
    tmp_path.chmod(0o755)
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    assert places.closed_to_others([str(folder)], above=False) is None
    folder.chmod(0o700)
    assert places.closed_to_others([str(folder)], above=False) == str(folder)
    folder.chmod(0o755)
    (tmp_path / "a").chmod(0o750)
    assert places.closed_to_others([str(folder)], above=False) is None
    assert places.closed_to_others([str(folder)], above=True) is not None

"""nbgrader's exchange carries our assignments, between users who are not root; who handed in is who owns it."""

import csv
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from course_utils.grading.desk import autograde, collect
from course_utils.install import ROOT
from tests.grading import toy

ME = pwd.getpwuid(os.getuid()).pw_name
GRADE = """
import sys
from tests.grading import toy
from course_utils.cli import main
sys.exit(main(sys.argv[1:]))
"""


def delivered(inbound, student, text="{}", exercise=toy.NAME, random="x1"):
    folder = inbound / f"{student}+{exercise}+2026-11-20 10:00:00.5 UTC+{random}"
    folder.mkdir(parents=True)
    (folder / f"{exercise}.ipynb").write_text(text)
    (folder / "timestamp.txt").write_text("2001-01-01 00:00:00 UTC")
    return folder


def collected(inbound, solutions, *arguments):
    out = inbound.with_name("submitted")
    options = ["--out", str(out), "--from", "exchange", "--solutions", str(solutions), *arguments]
    assert collect.main([str(inbound), *options]) in (0, 1)
    with open(out.with_name("submitted-collected.csv"), newline="") as file:
        return {
            row["file"].rpartition("/")[2] if row["status"] == "ignored" else row["student"]: row
            for row in csv.DictReader(file)
        }


def test_whose_it_is_and_when_it_came_is_said_by_the_system(tmp_path, solutions):
    before = datetime.now(UTC).replace(microsecond=0)
    delivered(tmp_path / "inbound", ME)
    delivered(tmp_path / "inbound", "somebody-else")
    (tmp_path / "inbound" / f"ann+{toy.NAME}+2026 UTC+x").symlink_to(tmp_path)
    (delivered(tmp_path / "inbound", "bob", random="x2") / f"{toy.NAME}.ipynb").unlink()
    found = collected(tmp_path / "inbound", solutions)
    assert found[ME]["status"] == "taken"
    assert (
        before
        <= datetime.fromisoformat(found[ME]["handed_in"].replace(" UTC", "+00:00"))
        <= datetime.now(UTC)
    )
    assert found["somebody-else"]["reason"] == f"it says somebody-else, and belongs to {ME}"
    assert found["bob"]["reason"] == "there is no notebook (No such file or directory)"
    assert found["timestamp.txt"]["reason"] == "systems and tools leave such files"
    assert "ann" not in found, "a link is nobody's work"


def test_what_was_handed_in_is_not_graded_where_the_graded_copies_go(out, solutions, capsys):
    (out / "submitted").mkdir(exist_ok=True)
    assert autograde.main([str(out / "submitted"), "--out", str(out), "--solutions", str(solutions)]) == 1
    assert "CourseDirectory.submitted_directory=collected" in capsys.readouterr().err


class Person:
    """A user with a home of their own; without root, whoever runs this."""

    def __init__(self, account, home):
        self.account, self.home = account, home
        home.mkdir()
        if account:
            os.chown(home, account.pw_uid, account.pw_gid)

    def run(self, *command):
        places = {
            name: str(self.home / "jupyter")
            for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR")
        }
        who = (
            {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
            if self.account
            else {}
        )
        done = subprocess.run(
            [sys.executable, "-B", "-m", *command]
            if command[0] != "-c"
            else [sys.executable, "-B", *command],
            cwd=self.home,
            env=os.environ | places | {"HOME": str(self.home), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            **who,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def owns(self, folder):
        for path in (folder, *folder.rglob("*")):
            if self.account:
                os.chown(path, self.account.pw_uid, self.account.pw_gid)


@pytest.fixture
def people():
    """A teacher and a learner, two users where this is root, and an exchange, in a folder that all may enter."""
    accounts = (
        [account for account in pwd.getpwall() if account.pw_uid][:2] if os.getuid() == 0 else [None, None]
    )
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        (place / "exchange").mkdir()
        (place / "exchange").chmod(0o777)
        yield (
            Person(accounts[0], place / "teacher"),
            Person(accounts[1], place / "learner"),
            place / "exchange",
        )


@pytest.mark.exhaustive  # seven commands of a new process each
def test_an_assignment_goes_out_and_comes_back_and_is_graded_without_root(prepared, solutions, people):
    teacher, learner, exchange = people
    course = shutil.copytree(prepared, teacher.home / "class")
    solutions = shutil.copytree(solutions, teacher.home / "solutions")
    teacher.owns(teacher.home)
    places = ["--course", "nlp", f"--Exchange.root={exchange}"]
    teacher.run("nbgrader", "release_assignment", toy.NAME, *places, f"--CourseDirectory.root={course}")
    assert f"nlp {toy.NAME}" in learner.run("nbgrader", "list", *places)
    learner.run("nbgrader", "fetch_assignment", toy.NAME, *places)
    notebook = learner.home / toy.NAME / f"{toy.NAME}.ipynb"
    answered = toy.submission(json.loads(notebook.read_text()), q1=toy.ANSWERS["q1"])
    notebook.write_text(json.dumps(answered))
    learner.run("nbgrader", "submit", toy.NAME, *places)
    inbound, submitted = exchange / "nlp" / "inbound", teacher.home / "submitted"
    teacher.run(
        "course_utils.cli", "collect", str(inbound), "--from", "exchange", "--out", str(submitted),
        "--solutions", str(solutions),
    )  # fmt: skip
    said = teacher.run(
        "-c", GRADE, "grade", str(submitted), "--out", str(course), "--solutions", str(solutions)
    )
    (student,) = (path.name for path in submitted.iterdir())
    assert student == (learner.account.pw_name if learner.account else ME)
    assert f"{student},{toy.NAME},4,11,0,graded" in said
    assert "not root: learners' code has your user id" in said
    assert "timestamp.txt" in {path.name for path in (submitted / student / toy.NAME).iterdir()}

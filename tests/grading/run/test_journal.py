"""Killed at any moment and resumed: no mark is lost, none is there twice, none is different."""

import csv
import json
import os
import random
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.api import Gradebook

from course_utils import closure
from course_utils.checks.framework import load_exercise
from course_utils.grading.desk import autograde
from course_utils.grading.gradebook.alone import only_writer
from course_utils.grading.gradebook.writer import Writer
from course_utils.grading.run import journal
from course_utils.grading.run.journal import Entry, Journal, Stamp
from course_utils.install import ROOT
from tests.grading import toy

# --- entries ------------------------------------------------------------------------------------------


@pytest.fixture
def entry():
    reports = {"q1": toy.exercise.find("q1").ungraded("x"), "q2": toy.exercise.find("q2").stopped("it died")}
    return Entry(
        "ann",
        toy.NAME,
        Stamp("a", "b", "c"),
        reports,
        new_notebook(cells=[new_code_cell("1", id="one")]),
        1.5,
        handed_in="2026-11-20 10:00:00 UTC",
    )


def test_an_entry_comes_back_whole(tmp_path, entry):
    Journal(tmp_path).put(entry)
    assert Journal(tmp_path).find("ann", toy.NAME) == entry


def test_a_written_entry_keeps_all_but_the_notebook(tmp_path, entry):
    Journal(tmp_path).written(entry)
    assert Journal(tmp_path).find("ann", toy.NAME) == replace(entry, notebook=None)
    assert [each.student for each in Journal(tmp_path)] == ["ann"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"student": "ann"}'])
def test_an_entry_that_is_none_is_passed_over(tmp_path, text):
    path = tmp_path / toy.NAME / "ann.json"
    path.parent.mkdir()
    path.write_text(text)
    assert Journal(tmp_path).find("ann", toy.NAME) is None
    assert list(Journal(tmp_path)) == []


def test_hashes_see_every_change(tmp_path):
    notebook, stamp = tmp_path / "n", tmp_path / "t"
    seen = {journal.submission_hash(notebook, stamp)}
    for path, text in ((notebook, "ab"), (notebook, "a"), (stamp, "b"), (notebook, "")):
        path.write_text(text)
        seen.add(journal.submission_hash(notebook, stamp))
    assert len(seen) == 5


def test_a_fifo_or_a_link_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "n")
    (tmp_path / "t").symlink_to("/etc/passwd")
    assert journal.submission_hash(tmp_path / "n", tmp_path / "t") == journal.submission_hash(
        tmp_path / "no", tmp_path / "none"
    )


def test_the_secrets_name_does_not_give_it_away():
    assert journal.seed_id(b"one") != journal.seed_id(b"two")
    assert len(journal.seed_id(b"one")) == 16


def test_the_checks_version_follows_checks_and_notebook(tmp_path):
    one = journal.checks_version(toy.exercise, tmp_path / "none")
    (tmp_path / "released").write_text("a notebook")
    assert journal.checks_version(toy.exercise, tmp_path / "released") != one
    assert journal.checks_version(toy.exercise, tmp_path / "none") == one


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """The package's sources, copied; hashes are taken of the copies."""
    ignored = shutil.ignore_patterns("__pycache__", "*.safetensors", "tokenizer.json", "results")
    package = shutil.copytree(closure.PACKAGE, tmp_path / "course_utils", ignore=ignored)
    monkeypatch.setattr(journal.closure, "PACKAGE", package)
    return package


#: Whatever decides a mark, and a chapter that it decides the marks of.
DECIDES = [
    ("checks/chapters/full_fine_tuning.py", "06_full_fine_tuning"),
    ("checks/framework.py", "06_full_fine_tuning"),
    ("checks/expect.py", "12_where_next"),
    ("checks/draw.py", "12_where_next"),
    ("checks/predictions.py", "10_lora_and_peft"),
    ("wire/codec.py", "12_where_next"),
    ("wire/learner.py", "00_start_here"),
    ("instructions.py", "06_full_fine_tuning"),
    ("world/lexicon.py", "06_full_fine_tuning"),
    ("datasets/dialogues.py", "06_full_fine_tuning"),
    ("measure/evaluation.py", "07_catastrophic_forgetting"),
    ("grading/run/worker.py", "00_start_here"),
    ("grading/run/executor.py", "00_start_here"),
    ("models/assets/bert/config.json", "08_transfer_learning"),
    ("metrics/rouge/rouge.py", "04_evaluation"),
]


@pytest.mark.parametrize(("changed", "name"), DECIDES)
def test_what_a_mark_depends_on_changes_the_version(copied, changed, name):
    exercise = load_exercise(name)
    before = journal.checks_version(exercise, Path("none"))
    with open(copied / changed, "a") as file:
        file.write("\n")
    assert journal.checks_version(exercise, Path("none")) != before


#: What only the cells of a released notebook import.
GIVEN = [
    ("course.py", "06_full_fine_tuning"),
    ("training/trainer.py", "07_catastrophic_forgetting"),
    ("measure/evaluation.py", "04_evaluation"),
    ("bench/transfer.py", "08_transfer_learning"),
    ("training/adapters.py", "10_lora_and_peft"),
]


@pytest.mark.parametrize(("changed", "name"), GIVEN)
def test_what_the_given_cells_import_changes_the_version(copied, changed, name):
    exercise, released = load_exercise(name), ROOT / "exercises" / name / f"{name}.ipynb"
    before = journal.checks_version(exercise, released)
    with open(copied / changed, "a") as file:
        file.write("\n")
    assert journal.checks_version(exercise, released) != before


def test_what_a_cell_with_a_magic_imports_counts(tmp_path):
    path = tmp_path / "released.ipynb"
    cell = toy.cell("code", "setup", "%matplotlib inline\nfrom course_utils.measure import cost")
    path.write_text(json.dumps({"cells": [cell]}), encoding="utf-8")
    assert "course_utils.measure.cost" in journal._imported_by(path)


@pytest.mark.parametrize(
    "changed", ["checks/chapters/the_hub.py", "apps/demo.py", "hub/server/application.py", "cli.py"]
)
def test_what_a_mark_does_not_depend_on_does_not(copied, changed):
    name = "06_full_fine_tuning"
    exercise, released = load_exercise(name), ROOT / "exercises" / name / f"{name}.ipynb"
    before = journal.checks_version(exercise, released)
    with open(copied / changed, "a") as file:
        file.write("\n")
    assert journal.checks_version(exercise, released) == before


def test_another_version_of_a_package_changes_the_version(monkeypatch):
    before = journal.checks_version(toy.exercise, Path("none"))
    monkeypatch.setattr(journal, "version", lambda name: "0.0")
    journal.versions.cache_clear()
    assert journal.checks_version(toy.exercise, Path("none")) != before
    journal.versions.cache_clear()


# --- kill -9 ------------------------------------------------------------------------------------------

STUDENTS = {
    "ann": toy.ANSWERS,
    "bob": {},
    "cy": {"q1": toy.ANSWERS["q1"]},
    "dan": None,  # broken
    "eve": toy.ANSWERS | {"q1": "import os; os._exit(1)"},
}
STEPS = ("put", "_write_marks", "_lay_down", "write_feedback", "written")


@pytest.fixture
def class_(tmp_path, solutions, released, prepared):
    for student, answers in STUDENTS.items():
        path = tmp_path / "submitted" / student / toy.NAME / f"{toy.NAME}.ipynb"
        toy.write(path, toy.submission(released, **(answers or {})))
        if answers is None:
            path.write_text("{broken")
    shutil.copytree(prepared, tmp_path / "out")
    (tmp_path / "out" / "grading.seed").write_text("0123456789abcdef" * 4)
    return tmp_path, solutions


def grade(folder, solutions, *options):
    out = ["--out", str(folder / "out"), "--solutions", str(solutions)]
    return autograde.main([str(folder / "submitted"), *out, *options])


def forked_and_killed(action, prepare):
    """Run an action in a forked process that gets killed; returns the signal that ended it, or 0."""
    child = os.fork()
    if child == 0:
        try:
            with open(os.devnull, "w") as nothing:
                sys.stdout = sys.stderr = nothing
                prepare()
                action()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def kill_at(step):
    """Have the process kill itself before its nth step towards marks on disk, and after every other one."""

    def prepare():
        count = [0]
        for holder, name in [(Journal, "put"), (Journal, "written")] + [
            (Writer, name) for name in STEPS[1:4]
        ]:
            setattr(holder, name, counted(getattr(holder, name), count))

    def counted(function, count):
        def inside(*arguments):
            count[0] += 1
            if count[0] == step:
                os.kill(os.getpid(), signal.SIGKILL)
            found = function(*arguments)
            count[0] += 1
            if count[0] == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return found

        return inside

    return prepare


def outcome(folder):
    """Everything that a mark is, wherever it is kept, without what differs from one run to the next."""
    with open(folder / "out" / "grades.csv", newline="") as file:
        grades = list(csv.DictReader(file))
    rows = [json.loads(line) for line in (folder / "out" / "results.jsonl").read_text().splitlines()]
    for row in rows:
        del row["seconds"], row["memory"]
    with Gradebook(f"sqlite:///{folder / 'out' / 'gradebook.db'}") as book:
        marks = {
            (submission.student.id, grade.name): (
                grade.auto_score,
                grade.manual_score,
                grade.needs_manual_grade,
            )
            for submission in book.assignment_submissions(toy.NAME)
            for notebook in submission.notebooks
            for grade in notebook.grades
        }
        count = len(book.assignment_submissions(toy.NAME))
    files = {
        str(path.relative_to(folder / "out")): path.read_bytes()
        for kind in ("autograded", "submitted", "feedback")
        for path in sorted((folder / "out" / kind).rglob("*"))
        if path.is_file() and path.suffix in (".ipynb", ".html") and path.name != f"{toy.NAME}.html"
    }
    return grades, rows, marks, count, files


@pytest.fixture
def undisturbed(class_, tmp_path):
    """What a run gives that nobody disturbs."""
    folder, solutions = class_
    other = tmp_path / "other"
    for name in ("submitted", "out"):
        shutil.copytree(folder / name, other / name)
    assert grade(other, solutions) == 0
    return outcome(other)


def resumed_as_undisturbed(class_, undisturbed, kills):
    folder, solutions = class_
    for prepare in kills:
        ended = forked_and_killed(lambda: grade(folder, solutions, "--resume"), prepare)
        assert ended == signal.SIGKILL
    assert grade(folder, solutions, "--resume") == 0
    found = outcome(folder)
    for one, other in zip(found, undisturbed, strict=True):
        assert one == other


# Before anything is kept; kept and not written; marks written and no notebook; and in the middle of others.
SOME = (1, 4, 5, 13)


@pytest.mark.slow
def test_killed_at_some_steps_and_resumed(class_, undisturbed):
    resumed_as_undisturbed(class_, undisturbed, [kill_at(step) for step in SOME])


@pytest.mark.exhaustive
@pytest.mark.parametrize("step", range(1, 2 * len(STEPS) * len(STUDENTS) + 1))
def test_killed_at_every_step_and_resumed(class_, undisturbed, step):
    resumed_as_undisturbed(class_, undisturbed, [kill_at(step)])


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(12))
def test_killed_at_any_time_and_resumed(class_, undisturbed, seed):
    """By the clock: in the middle of releasing, of a commit, of a page."""
    delays = random.Random(seed)

    def killed_later():
        later = os.getpid()
        delay = delays.uniform(0.05, 4)
        if os.fork() == 0:
            time.sleep(delay)
            os.kill(later, signal.SIGKILL)
            os._exit(0)

    folder, solutions = class_
    for _ in range(4):
        forked_and_killed(lambda: grade(folder, solutions, "--resume"), killed_later)
    resumed_as_undisturbed(class_, undisturbed, [])


@pytest.mark.slow
def test_what_changed_is_graded_again_and_the_rest_is_not(class_, released, monkeypatch, capsys):
    folder, solutions = class_
    assert grade(folder, solutions) == 0
    toy.write(
        folder / "submitted" / "bob" / toy.NAME / f"{toy.NAME}.ipynb", toy.submission(released, **toy.ANSWERS)
    )
    graded = []
    grade_all = autograde.batch.grade_all

    def noted(submissions, *rest):
        graded.extend(submission.student for submission in submissions)
        return grade_all(submissions, *rest)

    monkeypatch.setattr(autograde.batch, "grade_all", noted)
    assert grade(folder, solutions, "--resume") == 0
    assert graded == ["bob"]
    rows = outcome(folder)[1]
    assert sum(row["score"] or 0 for row in rows if row["student"] == "bob") == 6
    assert grade(folder, solutions, "--resume") == 0
    assert graded == ["bob"]
    Path(folder / "out" / "grading.seed").write_text("fedcba9876543210" * 4)
    assert grade(folder, solutions, "--resume") == 0
    assert sorted(graded) == sorted(["bob", *STUDENTS])


def test_every_mark_has_its_record(class_):
    folder, solutions = class_
    grade(folder, solutions)
    rows = [json.loads(line) for line in (folder / "out" / "results.jsonl").read_text().splitlines()]
    for row in rows:
        assert len(row["submission"]) == len(row["checks"]) == len(row["seed"]) == 16
        assert row["sandbox"]
    ann = [row for row in rows if row["student"] == "ann"]
    assert all(row["memory"] > 0 and row["seconds"] > 0 for row in ann)
    assert len({row["submission"] for row in rows}) == len(STUDENTS)
    assert len({(row["checks"], row["seed"]) for row in rows}) == 1


def test_two_runs_at_once_are_refused(class_, capsys):
    folder, solutions = class_
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        with only_writer(folder / "out"):
            os.write(there, b"x")
            signal.pause()
    os.read(here, 1)
    assert grade(folder, solutions) == 1
    assert "another `course grade` or `course feedback`" in capsys.readouterr().err
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)

"""A class is graded into nbgrader's gradebook, whatever is handed in."""

import csv
import json
import shutil

import pytest
from nbgrader.api import Gradebook

from course_utils.grading.desk import autograde, export
from course_utils.grading.gradebook import writer
from course_utils.grading.gradebook.nbgrader_steps import read_secret
from course_utils.grading.run import batch, executor, journal, warm
from course_utils.grading.run.warm import SandboxError
from tests.grading import toy


class Class:
    """A class's submissions and the folder they are graded into."""

    def __init__(self, folder, solutions, released, prepared):
        self.submitted, self.out = folder / "submitted", folder / "out"
        shutil.copytree(prepared, self.out)
        self.solutions, self.released = solutions, released

    def hand_in(self, student, **answers):
        return self.hand_in_file(student, json.dumps(toy.submission(self.released, **answers)))

    def hand_in_file(self, student, text, name=f"{toy.NAME}.ipynb"):
        path = self.submitted / student / toy.NAME / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def grade(self, *arguments):
        options = ["--out", str(self.out), "--solutions", str(self.solutions), *arguments]
        return autograde.main([str(self.submitted), *options])

    def grades(self):
        with open(self.out / "grades.csv", newline="") as file:
            return {row["student"]: row for row in csv.DictReader(file)}

    def versions(self):
        """The versions of the checks that the kept results were made with."""
        lines = (self.out / "results.jsonl").read_text(encoding="utf-8").splitlines()
        return {json.loads(line)["checks"] for line in lines}

    def scores(self):
        return {student: row["score"] for student, row in self.grades().items()}

    def book(self):
        return Gradebook(f"sqlite:///{self.out / 'gradebook.db'}")


@pytest.fixture
def group(tmp_path, solutions, released, prepared):
    return Class(tmp_path, solutions, released, prepared)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_class_with_broken_ones_goes_on(group, jobs, capsys):
    group.hand_in("ann", **toy.ANSWERS)
    group.hand_in("bob")
    group.hand_in("cy", q1=toy.ANSWERS["q1"])
    group.hand_in_file("dan", "{broken")
    group.hand_in_file("eve", "{}", name="other.ipynb")
    group.hand_in("fay", **toy.ANSWERS)
    (group.submitted / "note.txt").write_text("x")
    assert group.grade("--jobs", jobs) == 0
    assert group.scores() == {"ann": "6", "bob": "0", "cy": "4", "dan": "", "eve": "", "fay": "6"}
    status = {student: row["status"] for student, row in group.grades().items()}
    assert status == {
        "ann": "needs a person",
        "bob": "graded",
        "cy": "graded",
        "dan": "ungraded",
        "eve": "ungraded",
        "fay": "needs a person",
    }
    assert "broken JSON" in group.grades()["dan"]["message"]
    assert "there is other.ipynb" in group.grades()["eve"]["message"]
    assert "skipped 'note.txt'" in capsys.readouterr().err


def test_the_gradebook_has_each_score(group):
    group.hand_in("ann", q1="def double(n): return n * 2 if n else 1", q2="", q3="Words.")
    group.grade()
    with group.book() as book:
        grades = {
            name: book.find_grade(name, toy.NAME, toy.NAME, "ann") for name in ("q1-check", "q2-check", "q3")
        }
        assert {name: grade.auto_score for name, grade in grades.items()} == {
            "q1-check": 4,
            "q2-check": 0,
            "q3": None,
        }
        assert {name: grade.max_score for name, grade in grades.items()} == {
            "q1-check": 4,
            "q2-check": 2,
            "q3": 5,
        }
        assert grades["q3"].needs_manual_grade
        assert not grades["q1-check"].needs_manual_grade


def test_a_new_run_replaces_every_score(group):
    group.hand_in("ann", **toy.ANSWERS)
    group.grade()
    assert group.scores() == {"ann": "6"}
    group.hand_in("ann", q2=toy.ANSWERS["q2"])
    group.grade()
    assert group.scores() == {"ann": "2"}
    assert len((group.out / "results.jsonl").read_text().splitlines()) == 3


def test_a_failure_leaves_no_old_mark(group):
    group.hand_in("ann", **toy.ANSWERS)
    group.grade()
    group.hand_in_file("ann", "{broken")
    group.grade()
    assert (group.scores(), group.grades()["ann"]["status"]) == ({"ann": ""}, "ungraded")
    with group.book() as book:
        submission = book.find_submission(toy.NAME, "ann")
        assert submission.score == 0
        assert all(
            grade.auto_score is None and grade.needs_manual_grade for grade in submission.notebooks[0].grades
        )


@pytest.mark.slow
def test_a_fault_of_the_writer_leaves_no_old_mark(group, monkeypatch):
    group.hand_in("ann", **toy.ANSWERS)
    group.hand_in("bob", **toy.ANSWERS)
    group.grade()
    put_marks = writer.put_marks

    def fails_for_ann(submitted, notebook, reports, *more):
        put_marks(submitted, notebook, reports, *more)
        if submitted.student.id == "ann":
            raise OSError("disk full")

    monkeypatch.setattr(writer, "put_marks", fails_for_ann)
    assert group.grade() == 1, "not everything is there"
    assert group.scores() == {"ann": "", "bob": "6"}
    assert "disk full" in group.grades()["ann"]["message"]


@pytest.mark.parametrize(("faults", "score"), [(1, "6"), (batch.TRIES, "")])
def test_a_fault_of_the_grader_is_tried_again_then_ungraded_and_the_rest_goes_on(
    group, monkeypatch, faults, score
):
    group.hand_in("ann", **toy.ANSWERS)
    group.hand_in("bob", **toy.ANSWERS)
    grade, left = executor.grade, [faults]

    def fails_for_ann(released, sources, exercise, key_of, *rest, **options):
        if key_of(toy.exercise.find("q1")) == ann and left[0]:
            left[0] -= 1
            raise RuntimeError("a bug")
        return grade(released, sources, exercise, key_of, *rest, **options)

    secret = read_secret(group.out / "grading.seed")
    ann = executor.secret_keys(secret, "ann")(toy.exercise.find("q1"))
    monkeypatch.setattr(executor, "grade", fails_for_ann)
    assert group.grade() == 0
    assert group.scores() == {"ann": score, "bob": "6"}
    assert ("a bug" in group.grades()["ann"]["message"]) == (score == "")


def test_an_instructors_mark_is_kept_and_looked_at_again(group):
    group.hand_in("ann", **toy.ANSWERS)
    group.grade()
    with group.book() as book:
        grade = book.find_grade("q3", toy.NAME, toy.NAME, "ann")
        grade.manual_score, grade.needs_manual_grade = 3, False
        book.db.commit()
    group.hand_in("ann", **toy.ANSWERS | {"q3": "Because of something else."})
    group.grade()
    assert group.scores() == {"ann": "9"}
    with group.book() as book:
        assert book.find_grade("q3", toy.NAME, toy.NAME, "ann").needs_manual_grade


def test_an_instructors_mark_survives_new_checks(group, monkeypatch):
    """`--resume` marks everything again where a package has another version; what a person gave stays."""
    group.hand_in("ann", **toy.ANSWERS)
    group.grade()
    with group.book() as book:
        book.find_grade("q3", toy.NAME, toy.NAME, "ann").manual_score = 3
        book.db.commit()
    before = group.versions()
    monkeypatch.setattr(journal, "versions", lambda: [("torch", "0.0")])
    assert group.grade("--resume") == 0
    assert group.versions().isdisjoint(before)
    assert group.scores() == {"ann": "9"}


def test_what_cannot_be_placed_waits_for_a_person_and_is_no_zero(group, capsys):
    """In the gradebook, in grades.csv and after `--resume`; the run names it, and goes on."""
    group.hand_in("ann", **toy.ANSWERS)
    group.hand_in_file("bob", "<!DOCTYPE html><html><body>a download</body></html>")
    other = toy.submission(group.released)
    other["cells"][0] = toy.cell("code", "a", 'course = setup(exercise="04_evaluation")')
    group.hand_in_file("cy", json.dumps(other))
    for again in ((), ("--resume",)):
        assert group.grade(*again) == 0
        said = capsys.readouterr().err
        rows = group.grades()
        assert {name: row["score"] for name, row in rows.items()} == {"ann": "6", "bob": "", "cy": ""}
        assert {name: row["status"] for name, row in rows.items() if name != "ann"} == {
            "bob": "needs a person",
            "cy": "needs a person",
        }
        assert "is a web page" in rows["bob"]["message"]
        assert "the notebook of 04_evaluation" in rows["cy"]["message"]
        assert again or ("bob" in said and "is a web page" in said)
    with group.book() as book:
        waiting = book.find_submission_notebook(toy.NAME, toy.NAME, "bob")
        assert all(grade.needs_manual_grade and grade.auto_score is None for grade in waiting.grades)


def test_what_waits_for_a_person_is_exported_to_no_platform_and_named(group):
    """A whole submission that is something else, and a question whose answer cell is gone."""
    group.hand_in("ann", q1=toy.ANSWERS["q1"])
    group.hand_in_file("bob", "#!/usr/bin/env python\n# coding: utf-8\n\nimport math\n")
    lost = toy.submission(group.released)
    lost["cells"] = [cell for cell in lost["cells"] if cell["id"] != "q1-answer"]
    lost["cells"].insert(0, toy.cell("code", "own", "def doubled(number):\n    return 2 * number"))
    group.hand_in_file("cy", json.dumps(lost))
    assert group.grade() == 0
    marks = export.read_marks(group.out, None)
    assert marks.scores == {"ann": 4.0}
    assert set(marks.left_out) == {"bob", "cy"}
    assert "a Python file" in marks.left_out["bob"]
    assert "answer cell of q1" in marks.left_out["cy"]
    assert group.grades()["cy"]["status"] == "needs a person"
    page = (group.out / "feedback" / "cy" / toy.NAME / "report.html").read_text()
    assert "answer cell of q1 is not in the notebook" in page
    with group.book() as book:
        grade = book.find_grade("q1-check", toy.NAME, toy.NAME, "cy")
        assert grade.needs_manual_grade
        assert grade.auto_score is None


def test_the_same_secret_gives_the_same_results(group, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef0123456789abcdef\n")
    group.hand_in("ann", q1="def double(n): return n")
    messages = []
    for _ in range(2):
        group.grade("--seed-file", str(secret))
        rows = [json.loads(line) for line in (group.out / "results.jsonl").read_text().splitlines()]
        messages.append([(row["score"], row["message"]) for row in rows])
    assert messages[0] == messages[1]
    assert not (group.out / "grading.seed").exists()


def test_the_secret_is_made_once_and_kept_to_oneself(group):
    group.hand_in("ann")
    group.grade()
    path = group.out / "grading.seed"
    assert path.stat().st_mode & 0o077 == 0
    assert read_secret(path) == path.read_bytes().strip()


def test_feedback_is_laid_down_and_escaped(group):
    group.hand_in(
        "ann",
        q1="def double(n): return '<script>alert(1)</script>'",
        q2="display('<script>alert(2)</script>')",
        q3="<script>alert(3)</script><img src=x onerror=alert(4)> and 1 < 2 **is** true",
    )
    group.grade()
    folder = group.out / "feedback" / "ann" / toy.NAME
    own, nbgraders = (folder / "report.html").read_text(), (folder / f"{toy.NAME}.html").read_text()
    assert "&lt;script&gt;alert(1)" in own
    assert "0 of 6 points" in own
    for page in (own, nbgraders):
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    assert "Double" in nbgraders
    assert "1 &lt; 2 <strong>is</strong> true" in nbgraders


def test_the_autograded_notebook_is_the_released_one_with_answers(group):
    group.hand_in("ann", **toy.ANSWERS)
    (group.submitted / "ann" / toy.NAME / "numpy.py").write_text("raise SystemExit")
    group.grade()
    folder = group.out / "autograded" / "ann" / toy.NAME
    assert [path.name for path in folder.iterdir()] == [f"{toy.NAME}.ipynb"]
    notebook = json.loads((folder / f"{toy.NAME}.ipynb").read_text())
    assert [cell["id"] for cell in notebook["cells"]] == [cell["id"] for cell in group.released["cells"]]


STAMPS = {
    "good": "2026-11-20 10:00:00 UTC",
    "words": "yesterday, I think",
    "empty": "",
    "noise": "\x00",
    "far": "9999999999-01-01",
}


def test_time_stamps_are_kept_or_passed_over(group):
    for student, stamp in STAMPS.items():
        group.hand_in(student, q1=toy.ANSWERS["q1"])
        group.hand_in_file(student, stamp, name="timestamp.txt")
    assert group.grade() == 0
    assert group.scores() == dict.fromkeys(STAMPS, "4")
    with group.book() as book:
        stamped = [
            student for student in STAMPS if book.find_submission(toy.NAME, student).timestamp is not None
        ]
    assert stamped == ["good"]


def test_folders_that_are_no_students_are_passed_over(group, capsys):
    for student in ("ann", ".hidden", "a b", "-x", "ä"):
        group.hand_in(student, **toy.ANSWERS)
    group.grade()
    assert list(group.scores()) == ["ann"]
    assert capsys.readouterr().err.count("not a student's folder") == 3


def test_a_linked_folder_is_not_followed(group):
    group.hand_in("ann", **toy.ANSWERS)
    (group.submitted / "bob").symlink_to(group.submitted / "ann")
    group.grade()
    assert list(group.scores()) == ["ann"]


def test_nothing_to_grade(group, capsys, tmp_path):
    assert group.grade() == 1
    assert "no folder" in capsys.readouterr().err
    group.submitted.mkdir()
    assert group.grade() == 1
    assert "no submissions" in capsys.readouterr().err
    assert group.grade("--exercise", "44_none") == 1
    assert "there are 98_toy" in capsys.readouterr().err


def test_an_exercise_without_checks_is_said(tmp_path):
    (tmp_path / "ann" / "97_unchecked").mkdir(parents=True)
    with pytest.raises(autograde.GradeError, match="has no checks: there is no exercise '97_unchecked'"):
        autograde._wanted(tmp_path, None, ["97_unchecked"], {})


def test_one_exercise_only(group):
    group.hand_in("ann", **toy.ANSWERS)
    (group.submitted / "ann" / "44_none").mkdir()
    assert group.grade("--exercise", toy.NAME) == 0
    assert group.scores() == {"ann": "6"}


def test_no_sandbox_must_be_asked_for_and_is_said_aloud(group, capsys):
    group.hand_in("ann", **toy.ANSWERS)
    assert group.grade("--sandbox", "none") == 0
    assert "sandbox: none, as asked: learners' code runs as you" in capsys.readouterr().err
    assert group.scores() == {"ann": "6"}
    rows = [json.loads(line) for line in (group.out / "results.jsonl").read_text().splitlines()]
    assert {row["sandbox"] for row in rows} == {"none"}


@pytest.mark.parametrize("sandbox", ["auto", "bwrap"])
def test_where_no_wall_holds_nothing_is_run(group, capsys, monkeypatch, sandbox):
    def fail(self, *arguments):
        raise SandboxError("cannot start here")

    monkeypatch.setattr(warm.Warm, "__init__", fail)
    group.hand_in("ann", **toy.ANSWERS)
    assert group.grade("--sandbox", sandbox) == 1
    said = capsys.readouterr().err
    assert "no sandbox holds here. bwrap: cannot start here" in said
    assert "--sandbox none" in said
    assert not (group.out / "grades.csv").exists()


def test_a_run_in_a_log_says_now_and_then_how_far_it_is():
    clock = iter(
        [0, 0, 30, 40, 90, 95]
    )  # made, and made; the first submission after the warm-up, and three more
    pace = autograde.Pace(10, every=60, now=lambda: next(clock))
    lines = [pace.another() for _ in range(4)]
    assert lines == ["", "", "3 of 10 graded, 2.0 a minute, 4 minutes left", ""]


def test_the_lines_of_one_student():
    table = "student,exercise,score\nann,a,1\nann.lee,a,2\nann,b,3\nbob,a,4\n"
    assert autograde._lines_of(table, ["ann"]) == "student,exercise,score\nann,a,1\nann,b,3\n"
    assert autograde._lines_of(table, []) == table

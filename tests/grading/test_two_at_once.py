"""Two assistants at one class: whoever would write over the other is refused by name, and marks by hand are not lost."""

import json
import os
import signal

import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from course_utils.grading.gradebook import nbgrader_steps
from course_utils.grading.gradebook.alone import only_writer
from course_utils.grading.gradebook.nbgrader_steps import configure
from tests.grading import toy
from tests.grading.desk.test_autograde import Class

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's own queries


@pytest.fixture
def group(tmp_path, solutions, released, prepared):
    group = Class(tmp_path, solutions, released, prepared)
    group.hand_in("ann", **toy.ANSWERS)
    assert group.grade() == 0
    return group


class Other:
    """Another process: it does something, says that it has begun, and goes on until it is ended."""

    def __init__(self, what):
        here, there = os.pipe()
        self.child = os.fork()
        if self.child == 0:
            try:
                what(lambda: os.write(there, b"x"))
            finally:
                os._exit(0)
        os.close(there)
        self.begun = os.read(here, 1) == b"x"

    def end(self):
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)


def panel(group):
    """formgrader's way to grade."""
    config = Config()
    configure(config, group.out)
    return NbGraderAPI(CourseDirectory(config=config), config=config)


def test_formgraders_button_waits_for_course_grade_and_takes_nothing_away(group):
    def writing(begun):
        with only_writer(group.out):
            begun()
            signal.pause()

    copy = group.out / "autograded" / "ann" / toy.NAME / f"{toy.NAME}.ipynb"
    before = copy.read_bytes()
    other = Other(writing)
    answer = panel(group).autograde(toy.NAME, "ann")
    other.end()
    assert not answer["success"]
    assert "another `course grade` or `course feedback`, or formgrader, writes into" in answer["error"]
    assert copy.read_bytes() == before and group.scores() == {"ann": "6"}
    assert panel(group).autograde(toy.NAME, "ann")["success"]


def test_course_grade_waits_for_formgraders_button(group, monkeypatch, capsys):
    def pressing(begun):
        monkeypatch.setattr(nbgrader_steps.executor, "grade", lambda *rest, **more: (begun(), signal.pause()))
        panel(group).autograde(toy.NAME, "ann")

    other = Other(pressing)
    assert other.begun
    assert group.grade() == 1
    assert "or formgrader, writes into" in capsys.readouterr().err
    other.end()
    assert group.grade() == 0


def test_marks_that_a_person_gives_while_the_class_is_graded_are_kept(group, tmp_path):
    for student in ("bob", "cy"):
        group.hand_in(student, **toy.ANSWERS)
    said = tmp_path / "said"

    def marking(begun):
        turn = 0
        while True:
            turn += 1
            try:
                with Gradebook(f"sqlite:///{group.out / 'gradebook.db'}") as book:
                    grade = book.find_grade("q3", toy.NAME, toy.NAME, "ann")
                    grade.manual_score, grade.needs_manual_grade = turn % 5, False
                    book.db.commit()
                said.write_text(json.dumps({"turn": turn, "fault": ""}))
            except Exception as error:
                said.write_text(json.dumps({"turn": turn, "fault": repr(error)}))
                begun()
                return
            if turn == 1:
                begun()

    other = Other(marking)
    assert group.grade() == 0
    os.kill(other.child, signal.SIGSTOP)
    last = json.loads(said.read_text())
    other.end()
    assert last["fault"] == "" and last["turn"] > 1
    with group.book() as book:
        grade = book.find_grade("q3", toy.NAME, toy.NAME, "ann")
        assert grade.manual_score in {last["turn"] % 5, (last["turn"] + 1) % 5}, (
            "the last, or one not yet said"
        )
    assert {student: float(score) for student, score in group.scores().items()}.keys() == {"ann", "bob", "cy"}

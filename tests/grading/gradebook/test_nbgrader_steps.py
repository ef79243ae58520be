"""nbgrader's own commands grade as `course grade` does."""

import json
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from course_utils.grading.gradebook import nbgrader_steps
from course_utils.grading.gradebook.nbgrader_steps import configure, read_secret
from tests.grading import toy

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # nbgrader's own queries


@pytest.fixture
def course(tmp_path, solutions, prepared):
    """A course folder as an instructor has it, with the toy released through nbgrader."""
    shutil.copytree(solutions, tmp_path / "source")
    shutil.copy(prepared / "gradebook.db", tmp_path)
    config = Config()
    configure(config, tmp_path)
    api = NbGraderAPI(CourseDirectory(config=config), config=config)
    assert api.generate_assignment(toy.NAME)["success"]
    return tmp_path, api


def hand_in(root, student, text):
    path = root / "submitted" / student / toy.NAME / f"{toy.NAME}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def released(root):
    return json.loads((root / "release" / toy.NAME / f"{toy.NAME}.ipynb").read_text())


def score(root, student):
    with Gradebook(f"sqlite:///{root / 'gradebook.db'}") as book:
        submission = book.find_submission(toy.NAME, student)
        return submission.score, submission.needs_manual_grade


def test_release_through_nbgrader_is_our_release(course, released_path):
    assert (course[0] / "release" / toy.NAME / f"{toy.NAME}.ipynb").read_bytes() == released_path.read_bytes()


def test_the_autograde_button_grades_outside(course):
    root, api = course
    forged = toy.submission(
        released(root), q2="import sys; print('noise', file=sys.stderr)\n" + toy.ANSWERS["q2"]
    )
    for cell in forged["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade") and cell["cell_type"] == "code":
            cell["source"] = "1000"
    hand_in(root, "ann", json.dumps(forged))
    assert api.autograde(toy.NAME, "ann")["success"]
    assert score(root, "ann") == (2, False)


def test_a_broken_notebook_loses_its_old_marks(course):
    root, api = course
    hand_in(root, "ann", json.dumps(toy.submission(released(root), **toy.ANSWERS)))
    assert api.autograde(toy.NAME, "ann")["success"]
    assert score(root, "ann")[0] == 6
    hand_in(root, "ann", "{broken")
    assert not api.autograde(toy.NAME, "ann")["success"]
    assert score(root, "ann") == (0, True)


def test_saving_without_grading_is_refused(course):
    step = nbgrader_steps.SaveReports()
    with pytest.raises(RuntimeError, match="GradeOutside before it"):
        step.preprocess(None, {"nbgrader": {}})


@pytest.mark.parametrize(
    ("points", "mark"), [(2.0, 2.0), (0, 0.0), (None, None), (5, None), (-1, None), (float("nan"), None)]
)
def test_points_out_of_bounds_are_no_mark(points, mark):
    report = toy.exercise.find("q1").ungraded("x").__class__("e", "q", "t", points, 4, "right")
    assert nbgrader_steps._within(report, 4) == mark


def test_a_short_secret_is_refused(tmp_path):
    (tmp_path / "secret").write_text("abc\n")
    with pytest.raises(ValueError, match="too short"):
        read_secret(tmp_path / "secret")


def test_the_course_has_this_configuration(root):
    config = Config()
    exec(
        (root / "nbgrader_config.py").read_text(),
        {"get_config": lambda: config, "__file__": str(root / "nbgrader_config.py")},
    )
    assert config.CourseDirectory.source_directory == "solutions"
    assert config.Autograde.autograde_preprocessors[0] is nbgrader_steps.GradeOutside
    assert Path(config.GradeOutside.release_directory) == root / "exercises"


def test_nbgraders_own_export_has_another_name_than_our_table(out):
    (out / "grades.csv").write_text("ours")
    subprocess.run([sys.executable, "-m", "nbgrader", "export"], cwd=out, check=True, capture_output=True)
    assert (out / "grades.csv").read_text() == "ours"
    assert (out / "nbgrader-grades.csv").is_file()


def test_formgraders_button_follows_the_classes_policy(out):
    """What being late costs is taken off there, too."""
    steps = nbgrader_steps.AUTOGRADE_PREPROCESSORS
    assert steps.index(nbgrader_steps.FollowPolicy) > steps.index(nbgrader_steps.SaveReports)
    (out / "policy.toml").write_text(
        f"[due]\n{toy.NAME} = 2026-11-20T12:00:00Z\n[late]\ndeduct_percent = 100\n"
    )
    database = f"sqlite:///{out / 'gradebook.db'}"
    with Gradebook(database) as book:
        book.update_or_create_student("ann")
        book.update_or_create_submission(toy.NAME, "ann").timestamp = datetime(2026, 11, 20, 13)
        book.find_grade("q1-check", toy.NAME, toy.NAME, "ann").auto_score = 4
        book.db.commit()
    config = Config()
    configure(config, out)
    place = {"db_url": database, "student": "ann", "assignment": toy.NAME, "notebook": toy.NAME}
    nbgrader_steps.FollowPolicy(config=config).preprocess({}, {"nbgrader": place})
    with Gradebook(database) as book:
        assert book.find_submission(toy.NAME, "ann").late_submission_penalty == 4

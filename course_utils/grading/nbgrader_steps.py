"""The executor as steps of nbgrader's own conversions.

With :func:`configure`, ``nbgrader autograde`` and formgrader's autograde button judge
in the same way as ``course grade``: the submission's code runs in a child process,
the checks outside it, and marks come from their reports, never from a cell's output.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    LimitOutput,
    NbGraderPreprocessor,
    SaveAutoGrades,
)
from traitlets import Dict, Unicode

from course_utils.checks.framework import Report, load_exercise
from course_utils.grading import executor
from course_utils.grading.executor import Graded, Limits, Ungradable
from course_utils.grading.release import PREPROCESSORS

SECRET_FILE = "grading.seed"
REPORTS = "course_reports"


def read_secret(path: Path) -> bytes:
    """The grader's secret; a new one of 32 random bytes (as hex) is written where there is none.

    Whoever has this file can foresee every grader's draw: it belongs to the instructor alone.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
    secret = path.read_bytes().strip()
    if len(secret) < 16:
        raise ValueError(f"the secret in {path} is too short; delete the file and a new one is made")
    return secret


class JudgeOutside(NbGraderPreprocessor):
    """Replaces nbgrader's Execute: runs the answers in a child and the checks here."""

    release_directory = Unicode("release", help="Where the released notebooks are.").tag(config=True)
    secret_file = Unicode(SECRET_FILE, help="Where the grader's secret is.").tag(config=True)
    judged = Dict(help="Notebooks that have been judged already, by (student, assignment).")

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        student, name = resources["nbgrader"]["student"], resources["nbgrader"]["assignment"]
        graded = self.judged.get((student, name)) or self._judge(nb, student, name)
        resources[REPORTS] = graded.reports
        return graded.notebook, resources

    def _judge(self, nb: NotebookNode, student: str, name: str) -> Graded:
        released = executor.read_released(Path(self.release_directory) / name / f"{name}.ipynb")
        exercise = load_exercise(name)
        keys = executor.secret_keys(read_secret(Path(self.secret_file)), student)
        try:
            return executor.grade(
                released,
                executor.answer_sources(nb.cells),
                exercise,
                keys,
                Limits(cell=exercise.cell_seconds),
            )
        except Ungradable as error:
            return executor.ungraded(released, exercise, str(error))


class SaveReports(SaveAutoGrades):
    """Saves the reports' points; what an instructor marks goes nbgrader's usual way."""

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        if REPORTS not in resources:
            raise RuntimeError(
                "SaveReports needs JudgeOutside before it in Autograde.autograde_preprocessors"
            )
        return super().preprocess(nb, resources)

    def _add_score(self, cell: NotebookNode, resources: ResourcesDict) -> None:
        name = executor.question_of(cell)
        if name is None:
            super()._add_score(cell, resources)
            return
        report = resources[REPORTS].get(name)
        place = (cell.metadata.nbgrader["grade_id"], self.notebook_id, self.assignment_id, self.student_id)
        grade = self.gradebook.find_grade(*place)
        grade.auto_score = _within(report, float(cell.metadata.nbgrader["points"]))
        if grade.auto_score is None:
            grade.manual_score = None  # ungraded is never an old mark
        grade.needs_manual_grade = grade.auto_score is None or grade.manual_score is not None
        self.gradebook.db.commit()


def _within(report: Report | None, most: float) -> float | None:
    """A report's points if they are a number from 0 to ``most``; else no mark at all."""
    if report is None or report.points is None or not 0 <= report.points <= most:
        return None
    return float(report.points)


#: In place of nbgrader's default, which executes the notebook in a kernel beside the gradebook.
AUTOGRADE_PREPROCESSORS = [LimitOutput, SaveReports, AssignLatePenalties, CheckCellMetadata]


def forget_marks(database: str, assignment: str, student: str) -> None:
    """Take back every automatic mark of a submission, so that a failure leaves none behind."""
    with Gradebook(database) as gradebook:
        try:
            submission = gradebook.find_submission(assignment, student)
        except MissingEntry:
            return
        for notebook in submission.notebooks:
            for grade in notebook.grades:
                grade.auto_score, grade.needs_manual_grade = None, True
                if grade.name.endswith(executor.CHECK_SUFFIX):
                    grade.manual_score = None
        gradebook.db.commit()


class _ForgetFirst:
    """nbgrader's hook before a submission is graded."""

    def __init__(self, database: str) -> None:
        self._database = database

    def __call__(self, *, assignment: str, student: str, notebooks: list[str]) -> None:
        for folder in {Path(path).parent for path in notebooks}:
            forget_marks(self._database, folder.name, folder.parent.name)


def configure(config, root: Path, *, source: str = "source", release: str = "release") -> None:
    """Set nbgrader up for a course whose folder is ``root``; for a ``nbgrader_config.py``."""
    root = root.resolve()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.source_directory = source
    config.CourseDirectory.release_directory = release
    config.GenerateAssignment.preprocessors = PREPROCESSORS
    config.Autograde.sanitize_preprocessors = []
    config.Autograde.autograde_preprocessors = [JudgeOutside, *AUTOGRADE_PREPROCESSORS]
    config.Autograde.pre_convert_hook = _ForgetFirst(f"sqlite:///{root / 'gradebook.db'}")
    config.JudgeOutside.release_directory = str(root / release)
    config.JudgeOutside.secret_file = str(root / SECRET_FILE)


CONFIG_FILE = '''"""nbgrader's settings for this class: formgrader and `nbgrader autograde` judge as `course grade` does."""

from pathlib import Path

from course_utils.grading.nbgrader_steps import configure

configure(get_config(), Path(__file__).parent{places})  # noqa: F821  (nbgrader defines get_config)
'''

"""The executor as steps of nbgrader's own conversions.

With `configure`, `nbgrader autograde` and formgrader's autograde button grade
in the same way as `course grade`: the submission's code runs in a child process,
the checks outside it, and marks come from their reports, never from a cell's output.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Container
from functools import lru_cache
from pathlib import Path

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.api import Grade, Gradebook, MissingEntry, SubmittedNotebook
from nbgrader.converters import Autograde
from nbgrader.preprocessors import CheckCellMetadata, LimitOutput, NbGraderPreprocessor
from traitlets import Unicode
from traitlets.config import Config

from course_utils.checks.framework import Report, load_exercise
from course_utils.grading.gradebook.alone import only_writer
from course_utils.grading.gradebook.final_marks import follow_policy
from course_utils.grading.gradebook.place import database
from course_utils.grading.gradebook.release import PREPROCESSORS
from course_utils.grading.gradebook.students import draws_as
from course_utils.grading.run import batch, executor
from course_utils.grading.run.executor import Clocks, Graded
from course_utils.grading.run.reading import NeedsAPerson, Ungradable, cells_of
from course_utils.grading.run.warm import Nursery

SECRET_FILE = "grading.seed"
REPORTS = "course_reports"


def read_secret(path: Path) -> bytes:
    """The grader's secret; a new one of 32 random bytes (as hex) is written where there is none.

    Whoever has this file can foresee every grader's draw: it belongs to the instructor alone.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # whole or not at all, and never in place of another
        draft.unlink()
    secret = path.read_bytes().strip()
    if len(secret) < 16:
        raise ValueError(f"the secret in {path} is too short; delete the file and a new one is made")
    return secret


class GradeOutside(NbGraderPreprocessor):
    """Replaces nbgrader's Execute: runs the answers in a child in a sandbox, and the checks here."""

    release_directory = Unicode("release", help="Where the released notebooks are.").tag(config=True)
    secret_file = Unicode(SECRET_FILE, help="Where the grader's secret is.").tag(config=True)
    sandbox = Unicode("auto", help="auto, bwrap, container or none, as for course grade.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        student, name = resources["nbgrader"]["student"], resources["nbgrader"]["assignment"]
        graded = self._grade(nb, student, name)
        resources[REPORTS] = graded.reports
        return graded.notebook, resources

    def _grade(self, nb: NotebookNode, student: str, name: str) -> Graded:
        released = executor.read_released(Path(self.release_directory) / name / f"{name}.ipynb")
        exercise = load_exercise(name)
        secret_file = Path(self.secret_file)
        keys = executor.secret_keys(read_secret(secret_file), draws_as(secret_file.parent, student))
        secrets_ = (str(secret_file), str(secret_file.parent / "gradebook.db"))
        cells, clocks = cells_of(nb.cells), Clocks(cell=exercise.cell_seconds)
        nursery = _nursery(self.sandbox, secrets_, batch.imports_of(released))
        try:
            return executor.grade(released, cells, exercise, keys, clocks, nursery=nursery)
        except Ungradable as error:
            return executor.ungraded(released, exercise, str(error), isinstance(error, NeedsAPerson))


@lru_cache(maxsize=1)
def _nursery(sandbox: str, secrets_: tuple[str, ...], imports: tuple[str, ...]) -> Nursery:
    """Kept for the next submission of the same command; formgrader's button grades many in one process."""
    return Nursery(sandbox, imports, secrets_)


class SaveReports(NbGraderPreprocessor):
    """Saves the reports' points in place of all earlier ones; stands where nbgrader has SaveAutoGrades."""

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        if REPORTS not in resources:
            raise RuntimeError(
                "SaveReports needs GradeOutside before it in Autograde.autograde_preprocessors"
            )
        place = resources["nbgrader"]
        with Gradebook(place["db_url"]) as gradebook:
            names = place["notebook"], place["assignment"], place["student"]
            submitted = gradebook.find_submission_notebook(*names)
            put_marks(submitted, nb, resources[REPORTS])
            gradebook.db.commit()
        return nb, resources


def put_marks(
    submitted: SubmittedNotebook,
    notebook: NotebookNode,
    reports: dict[str, Report],
    unchanged: Container[str] = (),
) -> None:
    """Put the marks of a graded notebook into the gradebook's entry of it, in place of all earlier ones.

    A mark that an instructor gave by hand stays: as it is for the cells `unchanged`, whose answers are
    those that were marked; else it is shown for another look. Nothing is committed here.
    """
    grades = {grade.name: grade for grade in submitted.grades}
    comments = {comment.name: comment for comment in submitted.comments}
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if utils.is_grade(cell) and name in grades:  # an attempt may have a question that was taken out since
            grade, question = grades[name], executor.question_of(cell)
            if question is None:
                grade.auto_score, _ = utils.determine_grade(cell)
            else:
                grade.auto_score = _within(reports.get(question), float(cell.metadata.nbgrader["points"]))
            keep = question is None or grade.auto_score is not None
            _show_for_another_look(grade, keep=keep, unchanged=name in unchanged)
        if utils.is_solution(cell) and name in comments:
            untouched = cell.metadata.nbgrader.get("checksum") == utils.compute_checksum(cell)
            comments[name].auto_comment = "No response." if untouched else None


def take_back_marks(submitted: SubmittedNotebook, unchanged: Container[str] = ()) -> None:
    """Take back every automatic mark, so that a failure leaves none behind. What a person gave for the cells
    `unchanged` stays as it is. Nothing is committed here.
    """
    for grade in submitted.grades:
        grade.auto_score = None
        keep = not grade.name.endswith(executor.CHECK_SUFFIX)
        _show_for_another_look(grade, keep=keep, unchanged=grade.name in unchanged)


def _show_for_another_look(grade: Grade, *, keep: bool, unchanged: bool) -> None:
    """Whether a person is needed; `keep` keeps the mark a person gave (ungraded is never an old mark);
    one for an `unchanged` answer stays as it is.
    """
    if unchanged and grade.manual_score is not None:
        return
    if not keep:
        grade.manual_score = None
    grade.needs_manual_grade = grade.auto_score is None or grade.manual_score is not None


def _within(report: Report | None, most: float) -> float | None:
    """A report's points if they are a number from 0 to `most`; else no mark at all."""
    if report is None or report.points is None or not 0 <= report.points <= most:
        return None
    return float(report.points)


class FollowPolicy(NbGraderPreprocessor):
    """Takes off what being late costs by the class's policy, in place of AssignLatePenalties."""

    class_folder = Unicode(".", help="Where policy.toml and nbgrader_config.py are.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        place = resources["nbgrader"]
        with Gradebook(place["db_url"]) as gradebook:
            follow_policy(Path(self.class_folder), gradebook, (place["student"], place["assignment"]))
        return nb, resources


#: In place of nbgrader's default, which executes the notebook in a kernel beside the gradebook.
AUTOGRADE_PREPROCESSORS = [LimitOutput, SaveReports, FollowPolicy, CheckCellMetadata]


def forget_marks(database: str, assignment: str, student: str) -> None:
    """Take back every automatic mark of a submission, if there is one."""
    with Gradebook(database) as gradebook:
        try:
            submission = gradebook.find_submission(assignment, student)
        except MissingEntry:
            return
        for notebook in submission.notebooks:
            take_back_marks(notebook)
        gradebook.db.commit()


class _ForgetFirst:
    """nbgrader's hook before a submission is graded."""

    def __init__(self, database: str) -> None:
        self._database = database

    def __call__(self, *, assignment: str, student: str, notebooks: list[str]) -> None:
        for folder in {Path(path).parent for path in notebooks}:
            forget_marks(self._database, folder.name, folder.parent.name)


def _start_alone(converter: Autograde) -> None:
    """nbgrader's `Autograde.start`, alone in a class that is graded as we do: its first step already takes
    the graded copy away, and no hook comes before that.
    """
    ours = GradeOutside in converter.autograde_preprocessors
    with only_writer(Path(converter.coursedir.root)) if ours else contextlib.nullcontext():
        super(Autograde, converter).start()


def configure(config: Config, root: Path, *, source: str = "source", release: str = "release") -> None:
    """Set nbgrader up for a course whose folder is `root`; for a `nbgrader_config.py`."""
    root = root.resolve()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.source_directory = source
    config.CourseDirectory.release_directory = release
    config.GenerateAssignment.preprocessors = PREPROCESSORS
    config.Autograde.sanitize_preprocessors = []
    config.Autograde.autograde_preprocessors = [GradeOutside, *AUTOGRADE_PREPROCESSORS]
    config.Autograde.pre_convert_hook = _ForgetFirst(database(root))
    config.GradeOutside.release_directory = str(root / release)
    config.CsvExportPlugin.to = "nbgrader-grades.csv"  # its own name is that of our grades.csv
    config.FollowPolicy.class_folder = str(root)
    Autograde.start = _start_alone
    config.GradeOutside.secret_file = str(root / SECRET_FILE)


CONFIG_FILE = '''\
"""nbgrader's settings for this class: formgrader and `nbgrader autograde` grade as `course grade` does."""

from pathlib import Path

from course_utils.grading.gradebook.nbgrader_steps import configure

configure(get_config(), Path(__file__).parent{places})  # noqa: F821  (nbgrader defines get_config)
'''

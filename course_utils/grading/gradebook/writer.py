"""The one writer of a class's folder: nbgrader's gradebook, autograded notebooks and feedback.

Marks go in through nbgrader's own `Gradebook`, one submission in one transaction; the
notebooks lie where formgrader, feedback and the exporters look for them.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbconvert.writers import FilesWriter
from nbformat import NotebookNode
from nbgrader.api import Gradebook, SubmittedAssignment
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import is_grade, parse_utc
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

from course_utils.checks.framework import Exercise, load_exercise
from course_utils.files import write_whole
from course_utils.grading.gradebook import learners_page, policy
from course_utils.grading.gradebook.by_hand import ByHand, give_by_hand, read_by_hand
from course_utils.grading.gradebook.final_marks import follow_policy
from course_utils.grading.gradebook.learners_page import Mark
from course_utils.grading.gradebook.marks import SubmittedMarks, read_marks, worth
from course_utils.grading.gradebook.nbgrader_steps import CONFIG_FILE, configure, put_marks, take_back_marks
from course_utils.grading.gradebook.place import GRADEBOOK, database
from course_utils.grading.gradebook.policy import Policy
from course_utils.grading.gradebook.release import LITTER, copy_source, generate, graded_cell, quiet_log
from course_utils.grading.gradebook.times import read_time
from course_utils.grading.run.executor import question_of
from course_utils.grading.run.journal import Entry
from course_utils.grading.run.worker import TooMuchOutput


class WriteError(Exception):
    """Something could not be written; the message says what."""


class Writer:
    """Writes what was graded into the folder of a class, whose only writer it is."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.database = database(out)
        self._feedback: _Feedback | None = None
        self._opened: Gradebook | None = None
        self._policy = Policy()

    def prepare(self, solutions: Path, names: list[str]) -> None:
        """Release the exercises into the class's folder and its gradebook."""
        self.out.mkdir(parents=True, exist_ok=True)
        self._make_gradebook()
        for name in names:
            copy_source(solutions, self.out, name)
            generate(name, self.out, database=True)
        settings = self.out / "nbgrader_config.py"
        if not settings.exists():  # an instructor may have changed it
            write_whole(settings, CONFIG_FILE.format(places=""))
        if not (self.out / policy.NAME).exists():
            write_whole(self.out / policy.NAME, policy.TEMPLATE)

    def _make_gradebook(self) -> None:
        """An empty gradebook where there is none, whole or not at all."""
        place = self.out / GRADEBOOK
        if place.exists():
            return
        with tempfile.TemporaryDirectory(dir=self.out) as folder, quiet_log():
            Gradebook(f"sqlite:///{Path(folder) / place.name}").close()
            os.replace(Path(folder) / place.name, place)

    @contextlib.contextmanager
    def open(self) -> Iterator[Writer]:
        """Keep the gradebook open for many submissions."""
        with quiet_log(), warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)  # nbgrader's own queries
            self._opened = book = Gradebook(self.database)
            try:
                yield self
            finally:
                book.close()
                self._opened = None

    @property
    def _book(self) -> Gradebook:
        if self._opened is None:
            raise RuntimeError("the gradebook is written to inside `with writer.open():` only")
        return self._opened

    def write(self, entry: Entry, by_hand: ByHand | None = None) -> None:
        """Put one submission's marks, notebook and feedback in their places, instead of what was there.
        `by_hand`: what a person gave for this one, where another attempt's marks stand there.

        Raises `WriteError` when they cannot be written; then there are no marks.
        """
        try:
            if entry.notebook is None:  # the journal keeps it only until it is in its places
                raise ValueError("the notebook that was graded is no longer kept")
            unchanged = self._unchanged(entry, entry.notebook)
            self._lay_down(entry, entry.notebook)
            self._write_marks(entry, entry.notebook, unchanged, by_hand)
        except Exception as error:
            self._book.db.rollback()
            with contextlib.suppress(Exception):
                self._take_back(entry)
            raise WriteError(str(error)[:300]) from error

    def _unchanged(self, entry: Entry, graded: NotebookNode) -> frozenset[str]:
        """The graded cells whose answers are those that were graded before: a check's where all code is the
        same, a text that a person marks where it is the same itself.
        """
        marked = [cell for cell in graded.cells if is_grade(cell)]
        if entry.unchanged:
            return frozenset(cell.metadata.nbgrader.grade_id for cell in marked)
        before = self.graded_before(entry)
        if entry.why or before is None:
            return frozenset()
        same_code = _code(before) == _code(graded)
        texts = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell.source for cell in before.cells}
        return frozenset(
            cell.metadata.nbgrader.grade_id
            for cell in marked
            if (same_code if question_of(cell) else texts.get(cell.metadata.nbgrader.grade_id) == cell.source)
        )

    def standing(self, student: str, exercise: str) -> SubmittedMarks:
        """What the gradebook holds of a submission."""
        return read_marks(self._book, (student, exercise))[student, exercise]

    def by_hand(self, student: str, exercise: str) -> ByHand:
        """What a person gave for a submission, by the gradebook's cells."""
        return read_by_hand(self._book, student, exercise)

    def seconds_late(self, entry: Entry) -> float:
        """How late an attempt came, by the due date and the learner's extension in the gradebook."""
        submission = self._submission(entry)
        due = submission.duedate
        if due is None or not entry.handed_in:
            return 0.0
        return max((parse_utc(entry.handed_in) - due).total_seconds(), 0.0)

    def worth(self, exercise: str) -> dict[str, float]:
        """The points of each question, as it was released to this class."""
        return worth(self._book).get(exercise, {})

    def graded_before(self, entry: Entry) -> NotebookNode | None:
        """The notebook of the submission whose marks stand in the gradebook."""
        path = self.out / "autograded" / entry.student / entry.exercise / f"{entry.exercise}.ipynb"
        try:
            return nbformat.read(path, as_version=4)
        except (OSError, ValueError):
            return None

    def _write_marks(
        self, entry: Entry, graded: NotebookNode, unchanged: frozenset[str], by_hand: ByHand | None
    ) -> None:
        submission = self._submission(entry)
        submission.timestamp = parse_utc(entry.handed_in) if entry.handed_in else None
        for notebook in submission.notebooks:
            if entry.why:
                take_back_marks(notebook, unchanged)
            else:
                put_marks(notebook, graded, entry.reports, unchanged)
            if by_hand is not None:
                give_by_hand(notebook, by_hand, unchanged)
        self._book.db.flush()
        self._policy = follow_policy(self.out, self._book, (entry.student, entry.exercise))

    def _take_back(self, entry: Entry) -> None:
        for notebook in self._submission(entry).notebooks:
            take_back_marks(notebook)
        self._book.db.commit()

    def _submission(self, entry: Entry) -> SubmittedAssignment:
        self._book.update_or_create_student(entry.student)
        return self._book.update_or_create_submission(entry.exercise, entry.student)

    def follow_policy(self) -> Policy:
        """Bring due dates and penalties up to the class's policy, and give it."""
        self._policy = follow_policy(self.out, self._book)
        return self._policy

    def read_policy(self) -> None:
        """Know the class's policy, which the gradebook follows already."""
        self._policy = policy.read_policy(self.out)

    # --- the notebooks -----------------------------------------------------------------------------

    def _lay_down(self, entry: Entry, graded: NotebookNode) -> None:
        """What nbgrader sees as submitted, and as autograded: the released
        notebook with the answers in it.
        """
        self._lay("autograded", entry, graded)
        bare = copy.deepcopy(graded)
        for cell in bare.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        self._lay("submitted", entry, bare)

    def _lay(self, kind: str, entry: Entry, notebook: NotebookNode) -> None:
        """A folder of nbgrader's, whole or not at all."""
        place = self.out / kind / entry.student / entry.exercise
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=self.out) as folder:
            draft = Path(folder) / entry.exercise
            released = self.out / "release" / entry.exercise
            shutil.copytree(released, draft, ignore=shutil.ignore_patterns("*.ipynb", *LITTER))
            write_whole(draft / f"{entry.exercise}.ipynb", nbformat.writes(notebook))
            if entry.handed_in:
                (draft / "timestamp.txt").write_text(entry.handed_in, encoding="utf-8")
            os.replace(draft, place)

    def write_feedback(self, entry: Entry, note: str = "") -> None:
        """nbgrader's feedback and a page of ours, from the gradebook as it is now, `note` below its total.

        Raises an exception with the reason if they can't be made; then none is there, and no half of one.
        """
        try:
            self._write_pages(entry, note)
        except BaseException:
            shutil.rmtree(self._pages(entry), ignore_errors=True)
            raise

    def _pages(self, entry: Entry) -> Path:
        return self.out / "feedback" / entry.student / entry.exercise

    def _write_pages(self, entry: Entry, note: str) -> None:
        if self._feedback is None:
            config = Config()
            configure(config, self.out)
            self._feedback = _Feedback(config)
        try:
            self._feedback.convert(entry.student, entry.exercise)
        except Exception as error:
            raise WriteError(str(error)[:200]) from error
        exercise, submission = load_exercise(entry.exercise), self._submission(entry)
        text = learners_page.page(
            entry.student,
            exercise,
            list(entry.reports.values()),
            {} if entry.why else _marks(exercise, submission, self._policy.void(entry.exercise)),
            why=entry.why,
            late_penalty=submission.late_submission_penalty or 0.0,
            note=note,
            endless=_endless(self.out / "autograded" / entry.student / entry.exercise),
        )
        write_whole(self._pages(entry) / "report.html", text)


def _code(notebook: NotebookNode) -> list[str]:
    """The sources of the cells that run."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "code" and not question_of(cell)]


def _endless(folder: Path) -> list[str]:
    """The cells of a graded notebook that were stopped because they printed without end: a name, or the first
    line.
    """
    try:
        cells = json.loads((folder / f"{folder.name}.ipynb").read_bytes())["cells"]
    except (OSError, ValueError):
        return []
    return [
        cell["metadata"].get("nbgrader", {}).get("grade_id")
        or next(iter("".join(cell["source"]).strip().splitlines()), "")
        for cell in cells
        if any(output.get("ename") == TooMuchOutput.__name__ for output in cell.get("outputs", ()))
    ]


def _marks(exercise: Exercise, submission: SubmittedAssignment, void: frozenset[str]) -> dict[str, Mark]:
    """What stands in the gradebook for each question: what a person gave counts before what a check did."""
    grades = {grade.name: grade for notebook in submission.notebooks for grade in notebook.grades}
    comments = {comment.name: comment for notebook in submission.notebooks for comment in notebook.comments}
    marks = {}
    for question in exercise.questions.values():
        grade, comment = grades.get(graded_cell(question)), comments.get(question.name)
        if grade is None:  # not in the notebook that was released to this class
            continue
        points = grade.auto_score if grade.manual_score is None else grade.manual_score
        marks[question.name] = Mark(
            None if points is None else points + (grade.extra_credit or 0.0),
            (comment.manual_comment or "") if comment else "",
            blank=question.manual
            and grade.auto_score is not None,  # nbgrader marks by itself only what was left untouched
            void=question.name in void,
        )
    return marks


class _Feedback:
    """nbgrader's feedback pages; its exporter, whose templates take longest to read, is made once."""

    def __init__(self, config: Config) -> None:
        with quiet_log() as log:
            self._log = log
            self._converter = GenerateFeedback(
                coursedir=CourseDirectory(config=config, log=log), config=config, log=log
            )
        converter = self._converter
        converter.force, converter.pre_convert_hook = True, None
        converter.writer = FilesWriter(parent=converter, config=converter.config)
        converter.exporter = converter.exporter_class(parent=converter, config=converter.config)
        for step in converter.preprocessors:
            converter.exporter.register_preprocessor(step)

    def convert(self, student: str, exercise: str) -> None:
        """One submission's page; raises with the reason it failed."""
        directory = self._converter.coursedir
        directory.student_id, directory.assignment_id = student, exercise
        self._log.reason = ""
        self._converter.writer.build_directory = ""  # which it makes only where it is another than before
        try:
            self._converter.init_notebooks()
            self._converter.convert_notebooks()
        except Exception as error:
            raise WriteError(self._log.reason or str(error)) from error


def handed_in(folder: Path) -> str | None:
    """A submission's time stamp as nbgrader writes it, if there is one.

    Raises `ValueError`, for whoever put it there, where it cannot be read.
    """
    path = folder / "timestamp.txt"
    if not path.exists() and not path.is_symlink():
        return None
    try:
        if path.is_symlink() or not path.is_file():
            raise ValueError("timestamp.txt is no file of its own")
        with open(path, encoding="utf-8") as file:
            text = file.read(100).strip()
        return f"{read_time(text).replace(tzinfo=None).isoformat(' ')} UTC" if text else None
    except UnicodeDecodeError:
        raise ValueError("timestamp.txt is not UTF-8") from None
    except OSError as error:
        raise ValueError(f"timestamp.txt cannot be read ({error.strerror or error})") from None

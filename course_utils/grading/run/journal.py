"""What has been graded, on disk, so that a run that was killed goes on where it was.

One file a submission, replaced as a whole: first with everything that came of it, and, once
that is in its places, without the notebook. Writing replaces what is there, so doing it
twice does no harm; grading is not done twice for the same submission, seed and checks.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from importlib.metadata import requires, version
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_utils import closure
from course_utils.cells import as_python
from course_utils.checks.framework import Exercise, PartResult, Report, Rung
from course_utils.checks.report import unmarked_as
from course_utils.files import write_whole
from course_utils.grading.run.reading import SUBMISSION_BYTES

_HEX = 16  # digits of a hash that people see


def _digest(*pieces: bytes) -> str:
    whole = hashlib.sha256()
    for piece in pieces:
        whole.update(len(piece).to_bytes(8, "big") + piece)
    return whole.hexdigest()[:_HEX]


def submission_hash(notebook: Path, *others: Path) -> str:
    """A hash of what is taken from a submission: its notebook, and other files;
    a missing one counts as empty.
    """
    return _digest(*(_content(path) for path in (notebook, *others)))


def _content(path: Path) -> bytes:
    try:
        if path.is_symlink() or not path.is_file():
            return b""
        size = path.stat().st_size
        return path.read_bytes() if size <= SUBMISSION_BYTES else b"%d bytes" % size  # it will be refused
    except OSError:
        return b""


def seed_id(secret: bytes) -> str:
    """A name for the grader's secret that does not give it away."""
    return _digest(b"the name of a secret", secret)


#: What every mark depends on, whatever its chapter: how answers are placed, run and asked.
_ALWAYS = (
    "course_utils.checks.framework",
    "course_utils.grading.run.executor",
    "course_utils.grading.run.worker",
)
#: Not followed from a notebook's session: what it shows to learners, and no mark is made of.
_ASIDE = ("course_utils.checks.learner", "course_utils.hub.server", "course_utils.apps")
#: Read by their paths and not by import: weights and tokenizers, and the modules of metrics.
_READ = ("models/assets", "metrics")


def checks_version(exercise: Exercise, released: Path) -> str:
    """A hash of what the marks of an exercise depend on besides the answers and the drawn data's seed.

    The code that its checks and the released notebook reach by import, what they read, that notebook, and the
    versions of the packages that the course asks for.
    """
    modules = {question.check.__module__ for question in exercise.questions.values() if question.check}
    files = set(
        closure.reached(
            [*_ALWAYS, *modules, *_imported_by(released)], without=_ASIDE, package=closure.PACKAGE
        )
    )
    files |= {Path(sys.modules[name].__file__ or "") for name in modules if name in sys.modules}
    for folder in _READ:
        files |= {path for path in (closure.PACKAGE / folder).rglob("*") if path.is_file()}
    files = {path for path in files if path.suffix != ".pyc"}
    return _digest(
        closure.digest(files, root=closure.PACKAGE.parent).encode(),
        _content(released),
        repr(versions()).encode(),
    )


def _imported_by(released: Path) -> frozenset[str]:
    """What the cells of a released notebook import: they run in every
    submission, with the answers in them.
    """
    try:
        cells = json.loads(_content(released))["cells"]
    except (ValueError, KeyError, TypeError):
        return frozenset()
    found: frozenset[str] = frozenset()
    for cell in cells:
        if cell["cell_type"] == "code":
            with suppress(SyntaxError):
                found |= closure.imported_by(as_python("".join(cell["source"])))
    return found


@cache
def versions() -> list[tuple[str, str]]:
    """The packages that the course asks for, as they are installed here."""
    asked = {
        re.split(r"[^\w.-]", each)[0] for each in requires("course-workbook") or [] if "extra ==" not in each
    }
    return sorted((name, version(name)) for name in asked)


@dataclass(frozen=True)
class Stamp:
    """What a mark was made from; kept with every mark."""

    submission: str
    checks: str
    seed: str


@dataclass
class Entry:
    """A submission and what came of it.

    `notebook` is `None` once everything is written. `handed_in` is the time stamp, `seconds` are the
    whole notebook's and `cells` the learner's cells' of these; `learner` and `own` are processor
    seconds, of the learner's processes and of grading and writing; `memory` in bytes, `why` says why it
    is ungraded or needs a person (`again`: by no fault of its own, or it is to be graded anew).
    `unchanged`: the same was handed in when it was graded before. `kept`: what the marks of the other
    questions were made from, where only some were graded anew. `turn`: a later attempt has a higher one.
    """

    student: str
    exercise: str
    stamp: Stamp
    reports: dict[str, Report]
    notebook: NotebookNode | None
    seconds: float = 0.0
    cells: float = 0.0
    learner: float = 0.0
    own: float = 0.0
    memory: int = 0
    sandbox: str = ""
    handed_in: str | None = None
    why: str = ""
    again: bool = False
    unchanged: bool = False
    kept: Stamp | None = None
    turn: int = 1

    @property
    def oldest(self) -> Stamp:
        """What the oldest of its marks was made from."""
        return self.kept or self.stamp

    @property
    def unmarked(self) -> list[str]:
        """A line for the whole, or for each question, that has no mark: what it is, and why."""
        if self.why:
            return [f"{unmarked_as(self.reports.values())}: {self.why}"]
        return [
            f"{report.rung}: {name}: {'; '.join(report.notes)}"
            for name, report in self.reports.items()
            if report.points is None and report.rung != Rung.MANUAL.value
        ]


class Journal:
    """The entries of one class, under `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, entry: Entry) -> None:
        """Write an entry so that a reader finds the whole of it or the one before."""
        write_whole(self._path(entry.student, entry.exercise), json.dumps(as_json(entry)))

    def written(self, entry: Entry) -> None:
        """Note that all of an entry is in its place."""
        self.put(replace(entry, notebook=None))

    def grade_anew(self, student: str, exercise: str) -> None:
        """Note that a submission's entry, if there is one, is to be replaced; `--resume` knows it then."""
        entry = self.find(student, exercise)
        if entry is None:
            self._path(student, exercise).unlink(missing_ok=True)  # nothing that can be read
        elif not entry.again:
            self.put(replace(entry, again=True))

    def _path(self, student: str, exercise: str) -> Path:
        return self.folder / exercise / f"{student}.json"

    def find(self, student: str, exercise: str) -> Entry | None:
        """The entry of a submission, if there is one that can be read."""
        path = self._path(student, exercise)
        try:
            return from_json(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            return None  # not ours, or of another version: graded again

    def of(self, student: str) -> list[Path]:
        """The files that hold a student's entries, also those that cannot be read."""
        return sorted(self.folder.glob(f"*/{student}.json"))

    def rename(self, old: str, new: str) -> None:
        """Put a student's entries under another name."""
        for path in self.of(old):
            if (entry := self.find(old, path.parent.name)) is not None:
                self.put(replace(entry, student=new))
            path.unlink()

    def remove(self, student: str) -> None:
        """Forget a student's entries."""
        for path in self.of(student):
            path.unlink()

    def __iter__(self) -> Iterator[Entry]:
        for path in sorted(self.folder.glob("*/*.json")):
            entry = self.find(path.stem, path.parent.name)
            if entry is not None:
                yield entry


def as_json(entry: Entry) -> dict:
    """An entry as JSON has it."""
    text = {one.name: getattr(entry, one.name) for one in fields(entry)}
    return text | {
        "stamp": asdict(entry.stamp),
        "kept": None if entry.kept is None else asdict(entry.kept),
        "reports": [report.to_dict() for report in entry.reports.values()],
        "notebook": None if entry.notebook is None else nbformat.writes(entry.notebook),
    }


def from_json(text: dict) -> Entry:
    """What `as_json` was given. Raises `ValueError`, `KeyError` or `TypeError` for anything else."""
    notebook = text["notebook"]
    read = {
        "stamp": Stamp(**text["stamp"]),
        "kept": Stamp(**text["kept"]) if text.get("kept") else None,
        "reports": {each["question"]: _report(each) for each in text["reports"]},
        "notebook": None if notebook is None else nbformat.reads(notebook, as_version=4),
    }
    return Entry(**(text | read))


def _report(text: dict) -> Report:
    parts = tuple(PartResult(**part) for part in text["parts"])
    return Report(**(text | {"parts": parts, "notes": tuple(text["notes"])}))

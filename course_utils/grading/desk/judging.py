"""What `course release` asks of an exercise before learners get it: that it can be graded.

Its own solution and what is released are graded as two learners' work, the way a class's is: the same steps,
sandbox and gradebook. The solution has to have all points, and what is released none. What was judged once is
known by a digest of all that a mark depends on, and is not judged again.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from nbgrader.api import Gradebook

from course_utils.cache import cache_folder
from course_utils.checks.framework import load_exercise
from course_utils.files import write_whole
from course_utils.grading.desk.autograde import GradeError, grade_class
from course_utils.grading.gradebook.marks import worth
from course_utils.grading.gradebook.place import database
from course_utils.grading.run.journal import checks_version, submission_hash
from course_utils.grading.run.warm import SandboxError

SOLUTION, RELEASED = "solution", "released"
SEED = "the seed that releases are judged by\n"  # always the same: it is no learner's


def faults(solutions: Path, made: Path, names: Sequence[str], jobs: int = 1) -> list[str]:
    """Why exercises cannot be released, one line each; `made` holds them as they would be released.

    Raises `GradeError` where they could not be graded at all.
    """
    known = _read()
    keys = {name: _key(solutions, made, name) for name in names}
    wanted = [name for name in names if known.get(name) != keys[name]]
    if not wanted:
        return []
    print(f"judging {', '.join(wanted)} by its own solution, as a class's work", file=sys.stderr)
    with tempfile.TemporaryDirectory() as place:
        found = list(_found(Path(place), solutions, made, wanted, jobs))
    good = {name: keys[name] for name in wanted if not any(line.startswith(name) for line in found)}
    write_whole(_cache(), json.dumps(known | good))
    return found


def _found(place: Path, solutions: Path, made: Path, names: Sequence[str], jobs: int) -> Iterator[str]:
    submitted, out = place / "submitted", place / "class"
    for name in names:
        for student, folder in ((SOLUTION, solutions), (RELEASED, made)):
            (submitted / student / name).mkdir(parents=True)
            shutil.copy(folder / name / f"{name}.ipynb", submitted / student / name)
    (place / "seed").write_text(SEED)
    rows = _graded(submitted, out, solutions, place / "seed", jobs)
    with Gradebook(database(out)) as book:
        possible = worth(book)
    for name in names:
        cells, checks = sum(possible[name].values()), load_exercise(name).points
        if not math.isclose(cells, checks):
            yield f"{name}: its cells have {cells:g} points, its checks {checks:g}"
    for row in rows:
        if row["status"] != "by hand":
            yield from _of_row(row)


def _of_row(row: dict) -> Iterator[str]:
    where, said = f"{row['exercise']} {row['question']}", f": {row['message']}" if row["message"] else ""
    whose = "its own solution" if row["student"] == SOLUTION else "what is released, with nothing answered,"
    wanted = row["max"] if row["student"] == SOLUTION else 0
    if row["score"] is None:
        yield f"{where}: {whose} could not be graded{said}"
    elif row["score"] != wanted:
        yield f"{where}: {whose} has {row['score']:g} of {row['max']:g} points{said}"


def _graded(submitted: Path, out: Path, solutions: Path, seed: Path, jobs: int) -> list[dict]:
    """Graded in the best sandbox there is; without one where none holds, since the solution is ours."""

    def grade(sandbox: str) -> list[dict]:
        return grade_class(submitted, out, solutions=solutions, secret_file=seed, jobs=jobs, sandbox=sandbox)

    try:
        return grade("auto")
    except GradeError as error:
        if not isinstance(error.__cause__, SandboxError):
            raise
        return grade("none")


def _key(solutions: Path, made: Path, name: str) -> str:
    """A digest of all that the judging of an exercise depends on."""
    file = Path(name) / f"{name}.ipynb"
    depends = checks_version(load_exercise(name), made / file), submission_hash(solutions / file)
    return hashlib.sha256(" ".join(depends).encode()).hexdigest()


def _cache() -> Path:
    return cache_folder() / "judged.json"


def _read() -> dict[str, str]:
    try:
        found = json.loads(_cache().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}

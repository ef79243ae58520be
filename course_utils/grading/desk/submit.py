"""`course submit EXERCISE`: pack what a learner hands in, with a receipt.

The package is a zip with the exercise's notebook in it and nothing else; the same notebook
gives the same bytes, so the hash on the receipt says what was handed in. Whose it is and
when it came is for the channel it goes through to say, not for the package: see
`collect`.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from course_utils.checks.framework import load_exercise
from course_utils.grading.desk.shell import find_notebook
from course_utils.grading.gradebook.originals import original
from course_utils.grading.run.executor import read_released
from course_utils.grading.run.placing import not_taken, place
from course_utils.grading.run.reading import Ungradable, read_submission

_SOME_TIME = (
    1980,
    1,
    1,
    0,
    0,
    0,
)  # the earliest a zip can hold; a package's bytes depend on its contents only


@dataclass(frozen=True)
class Receipt:
    """What was packed and when. `answered` of `questions` answer cells were worked on; `not_taken` says what
    of the notebook the grading may not find.
    """

    exercise: str
    package: str
    sha256: str
    bytes: int
    packed: str
    answered: int
    questions: int
    not_taken: tuple[str, ...] = ()

    def text(self) -> str:
        """The receipt for people."""
        return (
            f"exercise  {self.exercise}\n"
            f"answers   {self.answered} of {self.questions} cells worked on\n"
            f"package   {self.package} ({self.bytes:,} bytes)\n"
            f"packed    {self.packed}\n"
            f"sha256    {self.sha256}\n"
        )


def pack(name: str, notebook: bytes) -> bytes:
    """A package of one notebook: the bytes of a zip."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr(zipfile.ZipInfo(f"{name}.ipynb", _SOME_TIME), notebook, zipfile.ZIP_DEFLATED)
    return whole.getvalue()


def submit(name: str, notebook: Path, folder: Path, released: Path | None = None) -> Receipt:
    """Pack `notebook` into `folder`, with a receipt beside it.

    Raises `Ungradable` for what could not be graded anyway: no notebook, too large, broken.
    """
    given = read_released(released) if released else original(name)
    steps = place(given, read_submission(notebook), load_exercise(name))
    answers = [step for step in steps if step.answer]
    answered, questions = sum(step.worked_on for step in answers), len(answers)
    data = pack(name, notebook.read_bytes())
    digest = hashlib.sha256(data).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{digest[:8]}.zip"
    path.write_bytes(data)
    packed = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    receipt = Receipt(
        name, path.name, digest, len(data), packed, answered, questions, tuple(not_taken(steps))
    )
    path.with_suffix(".receipt.json").write_text(json.dumps(vars(receipt), indent=1) + "\n", encoding="utf-8")
    return receipt


def main(argv: list[str] | None = None) -> int:
    """The `course submit` command."""
    parser = argparse.ArgumentParser(prog="course submit", description="Pack an exercise to hand it in.")
    parser.add_argument("exercise", help="its folder, notebook or name: exercises/06_full_fine_tuning")
    parser.add_argument(
        "--to", type=Path, default=Path(), metavar="DIR", help="where the package goes (here)"
    )
    parser.add_argument("--json", action="store_true", help="the receipt as JSON")
    parser.add_argument("--released", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    try:
        name, notebook = find_notebook(options.exercise)
        receipt = submit(name, notebook, options.to, options.released)
    except (Ungradable, OSError) as error:
        print(f"course submit: {error}", file=sys.stderr)
        return 1
    print(json.dumps(vars(receipt), indent=1) if options.json else receipt.text(), end="")
    for sentence in receipt.not_taken:
        print(sentence, file=sys.stderr)
    if not receipt.answered:
        print("No answer was worked on. Is the notebook saved, and is it the right one?", file=sys.stderr)
    elif not options.json:
        print(f"\nHand in {receipt.package}, and keep {Path(receipt.package).stem}.receipt.json.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

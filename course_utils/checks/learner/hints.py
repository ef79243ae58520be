"""`course hint EXERCISE QUESTION`: what `course.hint` says, from the shell."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from course_utils.checks.framework import load_exercise
from course_utils.checks.render import HINT_NAMES, hint_text


def main(argv: list[str] | None = None) -> int:
    """The `course hint` command; exit code 2 for an exercise or a question that does not exist."""
    parser = argparse.ArgumentParser(
        prog="course hint",
        description="Show a hint for a question: "
        + ", ".join(f"{level} is {name}" for level, name in enumerate(HINT_NAMES, 1))
        + ".",
    )
    parser.add_argument("exercise", help="its folder, notebook or name: 06_full_fine_tuning")
    parser.add_argument("question", help="q1, for example")
    parser.add_argument("--level", type=int, default=1, choices=(1, 2, 3), help="how much it tells (1)")
    options = parser.parse_args(argv)
    try:
        exercise = load_exercise(Path(options.exercise).name.removesuffix(".ipynb"))
        print(hint_text(exercise.find(options.question), options.level))
    except LookupError as error:
        print(f"course hint: {error.args[0]}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The teacher's pages about a class, as HTML that works from a file, and the same figures as CSV.

No scripts, nothing from elsewhere, and a policy under which nothing of that kind would work: what a learner's
code put into a message is text here, of bounded length.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from course_utils.grading.gradebook.class_figures import TEACH_AGAIN, ExerciseFigures, QuestionFigures
from course_utils.grading.gradebook.reports import as_csv
from course_utils.measure.scores import Score
from course_utils.text import printable

SHOWN_NAMES = 100  # learners who are named on a page; all are in learners.csv
SHOWN_CHARACTERS = 400
QUESTION_COLUMNS = (
    "exercise", "question", "title", "points", "marked", "mean_share", "low", "high", "spread", "full_share",
    "untouched_share", "discrimination", "discrimination_low", "discrimination_high", "teach_again",
)  # fmt: skip
LEARNER_COLUMNS = ("student", "exercise", "status", "points", "max_points", "seconds", "reason")
NOTHING = "handed in nothing"


def exercise_page(exercise: ExerciseFigures, made: str) -> str:
    """The page of one exercise; `made` says of what time it is."""
    page = templates().get_template("exercise.html")
    title = f"{exercise.name}: the class"
    return page.render(title=title, exercise=exercise, made=made, limit=TEACH_AGAIN, names=SHOWN_NAMES)


def term_page(exercises: Sequence[ExerciseFigures], students: int, roster: bool, made: str) -> str:
    """The page of all exercises; `students` is how many there are, `roster` whether that is from one."""
    page = templates().get_template("term.html")
    return page.render(title="The term", exercises=exercises, students=students, roster=roster, made=made)


def questions_csv(exercises: Iterable[ExerciseFigures]) -> str:
    """One line a question; shares are numbers from 0 to 1."""
    rows = (_question_row(one.name, each) for one in exercises for each in one.questions)
    below_zero = [name for name in QUESTION_COLUMNS if name.startswith("discrimination")]
    return as_csv(QUESTION_COLUMNS, rows, numbers=below_zero)


def learners_csv(exercises: Iterable[ExerciseFigures]) -> str:
    """One line a learner and exercise, with those who handed in nothing."""
    return as_csv(LEARNER_COLUMNS, (row for one in exercises for row in _learner_rows(one)))


def _question_row(exercise: str, question: QuestionFigures) -> dict[str, object]:
    share, along = question.share, question.discrimination
    return {
        "exercise": exercise,
        "question": question.name,
        "title": question.title,
        "points": f"{question.points:g}",
        "marked": question.n,
        "mean_share": _number(share.value if share else None),
        "low": _number(share.low if share else None),
        "high": _number(share.high if share else None),
        "spread": _number(question.spread if share else None),
        "full_share": _number(question.full),
        "untouched_share": _number(question.untouched),
        "discrimination": _number(along.value if along else None),
        "discrimination_low": _number(along.low if along else None),
        "discrimination_high": _number(along.high if along else None),
        "teach_again": "yes" if question.teach_again else "",
    }


def _learner_rows(exercise: ExerciseFigures) -> Iterable[dict[str, object]]:
    for one in exercise.submissions:
        yield {
            "student": one.student,
            "exercise": exercise.name,
            "status": one.status,
            "points": f"{one.total:g}",
            "max_points": f"{exercise.points:g}",
            "seconds": f"{one.seconds:.1f}",
            "reason": printable(one.why, SHOWN_CHARACTERS),
        }
    for student in exercise.absent:
        yield {"student": student, "exercise": exercise.name, "status": NOTHING}


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _percent(score: Score) -> str:
    """A share as percents with its interval."""
    return f"{100 * score.value:.0f} % [{100 * score.low:.0f}, {100 * score.high:.0f}]"


@cache
def templates() -> Any:
    """The environment of the teacher's pages."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("course_utils.grading.gradebook"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "percent": _percent,
        "share": lambda value: f"{100 * value:.0f} %",
        "points": lambda value: f"{value:g}",
        "shown": lambda text: printable(text, SHOWN_CHARACTERS),
    }
    return environment

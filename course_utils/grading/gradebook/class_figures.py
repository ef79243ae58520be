"""What a class made of an exercise, in figures: question by question, and who is not through with it.

The points are the gradebook's, as it is now: what a person gave counts. What the checks said, and how long a
grading took, is in the journal. Both are read once, so that ten thousand submissions take seconds.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbgrader import api

from course_utils.checks.framework import Exercise, PartResult, Question, Report, Rung
from course_utils.checks.report import unmarked_as
from course_utils.grading.gradebook.marks import SubmittedMarks, read_marks
from course_utils.grading.gradebook.place import database
from course_utils.grading.gradebook.policy import read_policy
from course_utils.grading.run.journal import Entry, Journal
from course_utils.measure.scores import NORMAL_975, Score, bootstrap

#: A question is one to teach again where the class surely earns a smaller share of its points than this: with
#: the whole 95 % interval of the mean below. It is a choice, not a law.
TEACH_AGAIN = 0.7
#: A question whose correlation with the rest is surely below this tells little about who can do the rest.
#: Ebel, R. L. and Frisbie, D. A. (1991). Essentials of Educational Measurement, 5th edition, chapter 13.
TELLS_LITTLE = 0.2
SHOWN_MESSAGES = 5
_UNTOUCHED = (Rung.NOT_STARTED.value, Rung.MISSING.value)
_FINE = (Rung.RIGHT.value, *_UNTOUCHED)
#: What differs between two learners who made the same mistake: texts in quotes, and numbers.
_DRAWN = re.compile(r"'[^']*'|\"[^\"]*\"|-?\b\d[\d.,]*(?:e-?\d+)?\b")


@dataclass(frozen=True)
class GradedSubmission:
    """A submission as the figures need it.

    points: by question; `None` while it has no mark. status: "graded", "needs a person" or "ungraded".
    seconds: the whole notebook's, in grading. void: questions that count for nobody. blank: those for a
    person to mark whose answer is as it was released; nbgrader gives them 0 by itself.
    """

    student: str
    points: Mapping[str, float | None]
    reports: Mapping[str, Report]
    status: str
    why: str
    seconds: float
    void: frozenset[str] = frozenset()
    blank: frozenset[str] = frozenset()

    @property
    def total(self) -> float:
        """The points so far, of the questions that count."""
        counted = (points for name, points in self.points.items() if name not in self.void)
        return sum(points for points in counted if points is not None)


@dataclass(frozen=True)
class Correlation:
    """Pearson's r of `n` pairs with its 95 % interval (Fisher's z)."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True)
class QuestionFigures:
    """One question of a class.

    share: the mean share of the points of those that have a mark, `None` where nobody has. spread: its
    standard deviation. full, untouched: shares of the submissions. discrimination: the correlation of its
    points with the sum of the others'. messages: what the check said most often, with how many submissions
    got it. void: it counts for nobody. waiting: how many answers still want a person.
    """

    name: str
    title: str
    points: float
    lesson: str
    n: int
    share: Score | None
    spread: float
    full: float
    untouched: float
    discrimination: Correlation | None
    messages: tuple[tuple[str, int], ...]
    void: bool = False
    waiting: int = 0

    @property
    def teach_again(self) -> bool:
        """Whether the class surely earns too little here; nobody knows while answers want a person, as those
        that were left blank have their mark already.
        """
        return self.share is not None and self.share.high < TEACH_AGAIN and not self.waiting

    @property
    def tells_little(self) -> bool:
        """Whether it surely says little about who can do the rest."""
        return self.discrimination is not None and self.discrimination.high < TELLS_LITTLE

    @property
    def some(self) -> float:
        """The share that earned something, but not all; or nothing, and had begun."""
        return max(1 - self.full - self.untouched, 0.0)


@dataclass(frozen=True)
class ExerciseFigures:
    """An exercise of a class. absent: who handed in nothing, of those that are known."""

    name: str
    title: str
    points: float
    submissions: tuple[GradedSubmission, ...]
    questions: tuple[QuestionFigures, ...]
    absent: tuple[str, ...]

    @property
    def share(self) -> Score | None:
        """The mean share of all points, of the submissions that have all their marks."""
        whole = [one.total / self.points for one in self.submissions if one.status == "graded"]
        return bootstrap(whole) if whole else None

    @property
    def tenths(self) -> list[int]:
        """How many graded submissions have 0 to 10 %, 10 to 20 %, … of the points."""
        counts = [0] * 10
        for one in self.submissions:
            if one.status == "graded":
                counts[min(int(10 * one.total / self.points), 9)] += 1
        return counts

    @property
    def unfinished(self) -> list[GradedSubmission]:
        """Those that need a person or could not be graded."""
        return [one for one in self.submissions if one.status != "graded"]

    @property
    def seconds(self) -> tuple[float, float]:
        """How long grading one took: the median and the longest, in seconds of the clock."""
        times = sorted(one.seconds for one in self.submissions)
        return (times[len(times) // 2], times[-1]) if times else (0.0, 0.0)


def read_class(out: Path) -> dict[str, list[GradedSubmission]]:
    """{exercise: its submissions} of a class's folder, by name."""
    policy, found = read_policy(out), defaultdict(list)
    with api.Gradebook(database(out)) as book:
        marks = read_marks(book)
    for entry in Journal(out / "journal"):
        known = marks.get((entry.student, entry.exercise))
        found[entry.exercise].append(_submission(entry, known, policy.void(entry.exercise)))
    return dict(sorted(found.items()))


def _submission(entry: Entry, marks: SubmittedMarks | None, void: frozenset[str]) -> GradedSubmission:
    waiting = marks.waiting if marks else set()
    points: dict[str, float | None] = {name: report.points for name, report in entry.reports.items()}
    points |= (marks.points if marks else {}) | dict.fromkeys(waiting)
    waiting = waiting - void
    if entry.why:
        status = unmarked_as(entry.reports.values())
    elif any(entry.reports[name].rung == Rung.UNGRADED.value for name in waiting & entry.reports.keys()):
        status = Rung.UNGRADED.value
    else:
        status = Rung.PERSON.value if waiting else "graded"
    blank = frozenset(marks.by_itself - entry.reports.keys()) if marks else frozenset[str]()
    return GradedSubmission(
        entry.student, points, entry.reports, status, entry.why, entry.seconds, void, blank
    )


def figures(
    exercise: Exercise,
    submissions: Sequence[GradedSubmission],
    known: Iterable[str],
    void: frozenset[str] = frozenset(),
) -> ExerciseFigures:
    """The figures of an exercise; `known` are the students who could have handed it in, `void` the
    questions that count for nobody.
    """
    came = {one.student for one in submissions}
    return ExerciseFigures(
        exercise.name,
        exercise.title,
        sum(one.points for one in exercise.questions.values() if one.name not in void),
        tuple(sorted(submissions, key=lambda one: one.student)),
        tuple(
            _question(question, submissions, question.name in void)
            for question in exercise.questions.values()
        ),
        tuple(sorted(set(known) - came)),
    )


def _question(question: Question, submissions: Sequence[GradedSubmission], void: bool) -> QuestionFigures:
    marked = [one for one in submissions if one.points.get(question.name) is not None]
    earned = [one.points[question.name] or 0.0 for one in marked]
    share = bootstrap([points / question.points for points in earned]) if earned else None
    untouched = sum(_rung(one, question) in _UNTOUCHED or question.name in one.blank for one in submissions)
    waiting = sum(one.points.get(question.name) is None and not one.why for one in submissions)
    return QuestionFigures(
        question.name,
        question.title,
        question.points,
        question.lesson,
        len(marked),
        share,
        _spread(share.values) if share else 0.0,
        sum(points >= question.points for points in earned) / max(len(submissions), 1),
        untouched / max(len(submissions), 1),
        correlation(earned, [_rest(one, question) for one in marked]),
        tuple(_messages(question, submissions).most_common(SHOWN_MESSAGES)),
        void,
        waiting,
    )


def _rest(submission: GradedSubmission, question: Question) -> float:
    """The points of the other questions that count."""
    own = 0.0 if question.name in submission.void else submission.points[question.name] or 0.0
    return submission.total - own


def _rung(submission: GradedSubmission, question: Question) -> str:
    report = submission.reports.get(question.name)
    return report.rung if report else ""


def _spread(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))


def correlation(first: Sequence[float], second: Sequence[float]) -> Correlation | None:
    """Pearson's r with its interval; `None` where it has no meaning: fewer than four pairs, or all alike.

    Fisher, R. A. (1921). On the "probable error" of a coefficient of correlation. Metron 1, 3-32.
    """
    import numpy

    n = len(first)
    if n < 4 or not (numpy.ptp(first) and numpy.ptp(second)):
        return None
    r = float(numpy.clip(numpy.corrcoef(first, second)[0, 1], -1, 1))
    z, half = math.atanh(max(min(r, 1 - 1e-12), 1e-12 - 1)), NORMAL_975 / math.sqrt(n - 3)
    return Correlation(r, math.tanh(z - half), math.tanh(z + half), n)


def _messages(question: Question, submissions: Sequence[GradedSubmission]) -> Counter[str]:
    """How many submissions got each message, drawn data aside."""
    found: Counter[str] = Counter()
    for one in submissions:
        report = one.reports.get(question.name)
        if report is not None and _rung(one, question) not in _UNTOUCHED:
            found.update({_told(part) for part in report.parts if part.rung not in _FINE})
    return found


def _told(part: PartResult) -> str:
    """A missed part as one line in which two learners with the same mistake agree."""
    came = f"; came {part.got}" if part.rung == Rung.CRASHED.value else ""
    return _DRAWN.sub("…", f"{part.title}: {part.rung}: expected {part.expected}{came}")

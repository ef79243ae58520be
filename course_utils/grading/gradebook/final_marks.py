"""What a submission counts in the end: its points, a person's included, without what is void, less what
being late costs; and a learner's total over all exercises.

Due dates, extensions and penalties are put into nbgrader's gradebook as well, so that formgrader and
nbgrader's own exporters show the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from nbgrader import api
from nbgrader.preprocessors import AssignLatePenalties
from sqlalchemy import update
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from course_utils.grading.gradebook.marks import SubmittedMarks, read_marks, worth
from course_utils.grading.gradebook.policy import Policy, read_policy

#: (student, points, points possible, seconds late) -> the points taken off
Penalty = Callable[[str, float, float, float], float]


@dataclass(frozen=True)
class FinalMark:
    """A submission as it counts.

    points: before the penalty. void: questions that count for nobody. complete: no other question
    waits for a mark.
    """

    student: str
    exercise: str
    points: float
    max_points: float
    late_penalty: float
    complete: bool
    void: frozenset[str] = frozenset()

    @property
    def counts(self) -> float:
        """The points after the penalty."""
        return max(self.points - self.late_penalty, 0.0)


def final_mark(marks: SubmittedMarks, possible: dict[str, dict[str, float]], policy: Policy) -> FinalMark:
    """What a submission counts; `possible` are the points of each question of each exercise."""
    void = policy.void(marks.exercise)
    questions = possible.get(marks.exercise, {})
    return FinalMark(
        marks.student,
        marks.exercise,
        sum(points for name, points in marks.points.items() if name not in void),
        sum(points for name, points in questions.items() if name not in void),
        marks.late_penalty,
        not marks.waiting - void,
        void,
    )


def follow_policy(out: Path, book: api.Gradebook, of: tuple[str, str] | None = None) -> Policy:
    """Bring due dates, extensions and penalties in a class's gradebook up to its policy, for the points as
    they are now; those of one submission only with `of`. Returns the policy.

    Raises `PolicyError` where it cannot be followed; then nothing is changed.
    """
    policy = read_policy(out)
    _set_due_dates(book, policy, of)
    concerned = [one for one in read_marks(book, of).values() if one.seconds_late or one.late_penalty]
    if concerned:
        _set_penalties(book, concerned, policy, penalty_of(out, policy))
    book.db.commit()
    return policy


def _set_penalties(
    book: api.Gradebook, concerned: Iterable[SubmittedMarks], policy: Policy, penalty: Penalty
) -> None:
    possible, changed = worth(book), []
    for marks in concerned:
        mark = final_mark(marks, possible, policy)
        taken = taken_off(penalty, mark.student, mark.points, mark.max_points, marks.seconds_late)
        if taken != marks.late_penalty:
            changed.append({"id": marks.notebook, "late_submission_penalty": taken or None})
    if changed:
        book.db.execute(update(api.SubmittedNotebook), changed)
        book.db.expire_all()


def taken_off(penalty: Penalty, student: str, points: float, most: float, seconds_late: float) -> float:
    """What being late takes off: nothing where somebody was in time, and never more than the points."""
    asked = penalty(student, points, most, seconds_late) if seconds_late else 0.0
    return min(max(asked, 0.0), points)


def _set_due_dates(book: api.Gradebook, policy: Policy, of: tuple[str, str] | None) -> None:
    """The policy's dates in place of the gradebook's. An exercise that it does not name keeps its date."""
    for assignment in book.assignments:
        due = policy.due.get(assignment.name)
        if due is None or (of and of[1] != assignment.name):
            continue
        if assignment.duedate != due.replace(tzinfo=None):
            assignment.duedate = due.replace(tzinfo=None)
        longer = policy.extensions.get(assignment.name, {})
        theirs = book.db.query(api.SubmittedAssignment).filter_by(assignment_id=assignment.id)
        for submission in theirs.filter_by(student_id=of[0]) if of else theirs:
            ends = longer.get(submission.student_id)
            extension = None if ends is None else ends - due
            if submission.extension != extension:
                submission.extension = extension
    book.db.flush()


def penalty_of(out: Path, policy: Policy) -> Penalty:
    """The policy's own, or what the late plugin of the class's nbgrader_config.py asks for."""
    if policy.late is not None:
        late = policy.late
        return lambda student, points, possible, seconds: late.penalty(points, possible, seconds)
    step = AssignLatePenalties(config=class_config(out))
    step.init_plugin()
    plugin = step.plugin_inst
    return lambda student, points, _, seconds: plugin.late_submission_penalty(student, points, seconds) or 0.0


def class_config(out: Path) -> Config:
    """The class's own settings for nbgrader."""
    path = out / "nbgrader_config.py"
    return PyFileConfigLoader(path.name, path=str(out)).load_config() if path.exists() else Config()


TOTAL_COLUMNS = ("student", "points", "max_points", "percent", "dropped", "open")


def totals(marks: Iterable[FinalMark], drop_lowest: int) -> list[dict[str, str]]:
    """A row a learner: what each exercise counts, and the total without the `drop_lowest` of them that have
    the lowest share of their points.

    An exercise that somebody else has handed in and this learner has not counts as 0. "open" names those
    of which a question has no mark yet; their points may still rise.
    """
    by_student: dict[str, dict[str, FinalMark]] = defaultdict(dict)
    possible: dict[str, float] = {}
    for mark in marks:
        by_student[mark.student][mark.exercise] = mark
        possible[mark.exercise] = mark.max_points
    return [_total(student, mine, possible, drop_lowest) for student, mine in sorted(by_student.items())]


def _total(student: str, mine: dict[str, FinalMark], possible: dict[str, float], drop: int) -> dict[str, str]:
    counted = {name: mine[name].counts if name in mine else 0.0 for name in possible}
    by_share = sorted(
        possible, key=lambda name: (counted[name] / possible[name] if possible[name] else 1.0, name)
    )
    dropped = sorted(by_share[: min(drop, len(by_share) - 1)])
    kept = [name for name in possible if name not in dropped]
    points, most = sum(counted[name] for name in kept), sum(possible[name] for name in kept)
    return {
        "student": student,
        "points": f"{points:g}",
        "max_points": f"{most:g}",
        "percent": f"{100 * points / most:.1f}" if most else "",
        "dropped": " ".join(dropped),
        "open": " ".join(sorted(name for name, mark in mine.items() if not mark.complete)),
    } | {name: f"{counted[name]:g}" if name in mine else "" for name in sorted(possible)}

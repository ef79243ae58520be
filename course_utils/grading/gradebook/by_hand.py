"""What a person gave for a submission in formgrader: points, extra credit and words, by cell.

nbgrader's gradebook has room for one submission a learner and exercise. Where another attempt takes its
place, this is kept with the attempt that it was given for, and put back with it.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

from nbgrader.api import Gradebook, MissingEntry, SubmittedNotebook


@dataclass(frozen=True)
class Given:
    """points and extra: what a person gave, if they did. waits: whether a person should look (again)."""

    points: float | None = None
    extra: float | None = None
    waits: bool = False
    words: str = ""


#: by the name of the cell in the gradebook
ByHand = Mapping[str, Given]


def read_by_hand(book: Gradebook, student: str, exercise: str) -> ByHand:
    """What was given for a submission; nothing where there is none."""
    try:
        submission = book.find_submission(exercise, student)
    except MissingEntry:
        return {}
    found = {}
    for notebook in submission.notebooks:
        words = {comment.name: comment.manual_comment or "" for comment in notebook.comments}
        for grade in notebook.grades:
            said = words.pop(grade.name, "")
            given = Given(grade.manual_score, grade.extra_credit, bool(grade.needs_manual_grade), said)
            found[grade.name] = given
        found |= {name: Given(words=said) for name, said in words.items() if said}
    return found


def give_by_hand(notebook: SubmittedNotebook, by_hand: ByHand, unchanged: Container[str]) -> None:
    """Put back what was given for an attempt. Of what stands there of another one, it stays only where the
    answer is the same (the cells `unchanged`). Nothing is committed here.
    """
    for grade in notebook.grades:
        given = by_hand.get(grade.name)
        if given is not None and (given.points is not None or grade.name not in unchanged):
            grade.manual_score, grade.extra_credit = given.points, given.extra
            grade.needs_manual_grade = given.waits and (given.points is not None or grade.auto_score is None)
        elif grade.name not in unchanged:
            grade.manual_score = grade.extra_credit = None
            grade.needs_manual_grade = grade.auto_score is None
    for comment in notebook.comments:
        given = by_hand.get(comment.name)
        if given is not None or comment.name not in unchanged:
            comment.manual_comment = (given.words if given else "") or None

"""What a learner handed in more than once: which attempt counts, and where the others are kept.

nbgrader's gradebook has room for one submission a learner and exercise. So every other attempt is kept in
`attempts/<student>/<exercise>/` of the class's folder as it was graded, with what a person gave for it; when
the policy, or a mark, makes another one count, that one is put into the gradebook as it is kept, and nobody's
code is run.

An attempt with a question that waits for a person stands in the gradebook as long as it could still be the
best, since a person marks what stands there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from nbformat import NotebookNode
from nbgrader import utils

from course_utils.files import write_whole
from course_utils.grading.gradebook.by_hand import ByHand, Given
from course_utils.grading.gradebook.final_marks import Penalty, penalty_of, taken_off
from course_utils.grading.gradebook.policy import Policy
from course_utils.grading.gradebook.reports import as_csv, results_of, write_results
from course_utils.grading.gradebook.writer import WriteError, Writer
from course_utils.grading.run.executor import CHECK_SUFFIX, question_of
from course_utils.grading.run.journal import Entry, Journal, as_json, from_json

ATTEMPT_COLUMNS = (
    "student",
    "exercise",
    "attempt",
    "handed_in",
    "points",
    "late_penalty",
    "open",
    "counts",
    "why",
)


@dataclass(frozen=True)
class Attempt:
    """A graded attempt that does not stand in the gradebook, and what a person gave for it when it did."""

    entry: Entry
    by_hand: ByHand = field(default_factory=dict)


@dataclass(frozen=True)
class AttemptMark:
    """How an attempt stands: its points, what is taken off for being late, and the most that it could count
    if what still waits for a person brought all its points.
    """

    turn: int
    handed_in: str
    points: float
    late_penalty: float
    most: float
    waits: bool
    why: str = ""

    @property
    def counts(self) -> float:
        """The points after the penalty."""
        return max(self.points - self.late_penalty, 0.0)


class AttemptStore:
    """The attempts of a class that do not stand in its gradebook."""

    def __init__(self, out: Path) -> None:
        self.folder = out / "attempts"

    def of(self, student: str, exercise: str) -> list[Attempt]:
        """A learner's, in the order in which they came; what cannot be read is passed over."""
        found = []
        for path in sorted((self.folder / student / exercise).glob("*.json")):
            try:
                text = json.loads(path.read_text(encoding="utf-8"))
                by_hand = {name: Given(**given) for name, given in text["by_hand"].items()}
                found.append(Attempt(from_json(text["entry"] | {"student": student}), by_hand))
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return sorted(found, key=lambda one: one.entry.turn)

    def find(self, student: str, exercise: str, submission: str) -> Attempt | None:
        """The attempt made from what was handed in with this hash."""
        found = (one for one in self.of(student, exercise) if one.entry.stamp.submission == submission)
        return next(found, None)

    def put(self, attempt: Attempt) -> None:
        """Keep an attempt, in place of the same one as it was graded before."""
        entry = attempt.entry
        text = {
            "entry": as_json(entry),
            "by_hand": {name: asdict(one) for name, one in attempt.by_hand.items()},
        }
        write_whole(self._path(entry), json.dumps(text))

    def drop(self, entry: Entry) -> None:
        """Forget an attempt: it stands in the gradebook."""
        self._path(entry).unlink(missing_ok=True)

    def note(self, entry: Entry) -> str:
        """What a learner reads where what stands in the gradebook is not what came last."""
        if all(one.entry.turn <= entry.turn for one in self.of(entry.student, entry.exercise)):
            return ""
        when = f" (handed in {entry.handed_in})" if entry.handed_in else ""
        return f"An earlier attempt than your last counts{when}: it has the most points."

    def pairs(self) -> list[tuple[str, str]]:
        """(student, exercise) of those that have any."""
        return sorted(
            {(path.parent.parent.name, path.parent.name) for path in self.folder.glob("*/*/*.json")}
        )

    def _path(self, entry: Entry) -> Path:
        return self.folder / entry.student / entry.exercise / f"{entry.stamp.submission}.json"


def keep(store: AttemptStore, writer: Writer, entry: Entry, after: Entry | None = None) -> None:
    """Keep what stands in the gradebook, before another attempt takes its place. Where that is the same work
    as `after`, newly graded (with another time, say), it is no other attempt.
    """
    notebook = writer.graded_before(entry) if entry.notebook is None else entry.notebook
    if notebook is None or (after and after.notebook and _work(notebook) == _work(after.notebook)):
        return
    entry = replace(entry, notebook=notebook, again=entry.again and bool(entry.why))
    store.put(Attempt(entry, writer.by_hand(entry.student, entry.exercise)))


def _work(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells]


class Settlement:
    """Brings the attempts that count into the gradebook. `writer` is open."""

    def __init__(self, writer: Writer, journal: Journal) -> None:
        self.writer, self.journal, self.store = writer, journal, AttemptStore(writer.out)
        self.policy = Policy()
        self.failed: list[str] = []
        self._worth: dict[str, dict[str, float]] = {}

    def settle(self) -> list[tuple[Entry, Entry]]:
        """Put into the gradebook whatever counts now, and write attempts.csv; returns what counted and what
        counts, where these are two. What could not be written is in `failed`.
        """
        pairs = self.store.pairs()
        if not pairs:
            return []
        self.policy = self.writer.follow_policy()
        penalty = penalty_of(self.writer.out, self.policy)
        exchanged: list[tuple[Entry, Entry]] = []
        rows: list[dict[str, object]] = []
        for student, exercise in pairs:
            before = self.journal.find(student, exercise)
            if before is None:
                continue
            try:
                after = self._settle(before, penalty)
            except (WriteError, OSError) as error:
                self.failed.append(f"{student} {exercise}: the attempt that counts ({error})")
                continue
            if after.stamp.submission != before.stamp.submission:
                exchanged.append((before, after))
            rows += self._rows(after, penalty)
        write_whole(self.writer.out / "attempts.csv", as_csv(ATTEMPT_COLUMNS, rows))
        return exchanged

    def _settle(self, current: Entry, penalty: Penalty) -> Entry:
        """The attempt that counts now; each may have its turn once."""
        if current.notebook is not None:  # killed before it was in its places
            half = self.store.find(current.student, current.exercise, current.stamp.submission)
            current = self._put(current, half.by_hand if half else None)
        others = self._others(current)
        for _ in others:
            chosen = self._chosen(current, others, penalty)
            if chosen is None:
                break
            current = self._exchange(current, chosen)
            others = self._others(current)
        return current

    def _others(self, current: Entry) -> list[Attempt]:
        """The attempts besides the one that stands in the gradebook."""
        return [
            one
            for one in self.store.of(current.student, current.exercise)
            if one.entry.stamp.submission != current.stamp.submission
        ]

    def _chosen(self, current: Entry, others: list[Attempt], penalty: Penalty) -> Attempt | None:
        """The attempt that is to take the place of the one in the gradebook; None where that one counts."""
        if not self.policy.best_counts(current.exercise):
            last = max(others, key=lambda one: one.entry.turn, default=None)
            return last if last and last.entry.turn > current.turn else None
        mine = self._standing(current, None, penalty)
        stand = [(self._standing(one.entry, one.by_hand, penalty), one) for one in others]
        best = max([mine, *(each for each, _ in stand)], key=_rank)
        open_ = [
            (each, one) for each, one in [(mine, None), *stand] if each.waits and each.most > best.counts
        ]
        if open_:
            return max(open_, key=lambda pair: (pair[0].most, pair[1] is None, pair[0].turn))[1]
        return next((one for each, one in stand if each is best), None) if best is not mine else None

    def _standing(self, entry: Entry, by_hand: ByHand | None, penalty: Penalty) -> AttemptMark:
        """How an attempt stands; that of the gradebook with `by_hand` None."""
        if entry.exercise not in self._worth:
            self._worth[entry.exercise] = self.writer.worth(entry.exercise)
        possible = self._worth[entry.exercise]
        void = self.policy.void(entry.exercise)
        possible = {name: most for name, most in possible.items() if name not in void}
        if by_hand is None:
            marks = self.writer.standing(entry.student, entry.exercise)
            points, waiting = marks.points, marks.waiting
        else:
            points, waiting = _kept_points(entry, by_hand)
        late, most = self.writer.seconds_late(entry), sum(possible.values())
        known = sum(points.get(name, 0.0) for name in possible if name not in waiting)
        upper = known + sum(each for name, each in possible.items() if name in waiting)

        def after(got: float) -> float:
            return taken_off(penalty, entry.student, got, most, late)

        waits = any(name in waiting for name in possible) and not entry.why
        top = upper - after(upper) if waits else known - after(known)
        return AttemptMark(entry.turn, entry.handed_in or "", known, after(known), top, waits, entry.why)

    def _exchange(self, current: Entry, chosen: Attempt) -> Entry:
        """Put an attempt in the place of the one in the gradebook."""
        keep(self.store, self.writer, current)
        self.journal.put(chosen.entry)
        return self._put(chosen.entry, chosen.by_hand)

    def _put(self, entry: Entry, by_hand: ByHand | None) -> Entry:
        """Bring an attempt, whose entry the journal has, to its places. Killed on the way, the entry has its
        notebook still, and the attempt what a person gave.
        """
        self.writer.write(entry, by_hand)
        self.writer.write_feedback(entry, self.store.note(entry))
        self.journal.written(entry)
        self.store.drop(entry)
        return entry

    def _rows(self, current: Entry, penalty: Penalty) -> Iterator[dict[str, object]]:
        """A line for each attempt of a learner, in the order in which they came."""
        stand = [self._standing(one.entry, one.by_hand, penalty) for one in self._others(current)]
        mine = self._standing(current, None, penalty)
        for number, one in enumerate(sorted([*stand, mine], key=_came), 1):
            yield {
                "student": current.student,
                "exercise": current.exercise,
                "attempt": number,
                "handed_in": one.handed_in,
                "points": f"{one.points:g}",
                "late_penalty": f"{one.late_penalty:g}",
                "open": "yes" if one.waits else "",
                "counts": "yes" if one is mine else "",
                "why": one.why,
            }


def settle_class(out: Path) -> list[Entry]:
    """Let those attempts of a class count that its policy says now, on the learners' pages and in
    results.jsonl too; returns these. Raises `WriteError` where not all could be written.
    """
    if not AttemptStore(out).pairs():
        return []
    with Writer(out).open() as writer:
        settlement = Settlement(writer, Journal(out / "journal"))
        exchanged = [after for _, after in settlement.settle()]
    write_exchanged(out, exchanged)
    if settlement.failed:
        raise WriteError("; ".join(settlement.failed))
    return exchanged


def write_exchanged(out: Path, exchanged: list[Entry]) -> list[dict]:
    """Put the results of attempts that count now into results.jsonl; returns all its rows."""
    results = [result for entry in exchanged for result in results_of(entry)]
    return write_results(out / "results.jsonl", results)


def _came(standing: AttemptMark) -> tuple[int, str]:
    return standing.turn, standing.handed_in


def _rank(standing: AttemptMark) -> tuple[bool, float, int]:
    """The best is the one with most points; of equal ones, the one that came last."""
    return not standing.why, standing.counts, standing.turn


def _kept_points(entry: Entry, by_hand: ByHand) -> tuple[dict[str, float], set[str]]:
    """Of an attempt that is kept: points by question, and the questions that wait for a person."""
    points: dict[str, float] = {}
    waiting: set[str] = set()
    for cell in entry.notebook.cells if entry.notebook is not None else ():
        if not utils.is_grade(cell):
            continue
        name = cell.metadata.nbgrader.grade_id
        question, given = name.removesuffix(CHECK_SUFFIX), by_hand.get(name, Given())
        automatic = _automatic(entry, cell)
        if given.points is None and automatic is None:
            waiting.add(question)
        if given.points is not None and given.waits:
            waiting.add(question)
        got = given.points if given.points is not None else automatic
        if got is not None:
            points[question] = got + (given.extra or 0.0)
    return points, waiting


def _automatic(entry: Entry, cell: NotebookNode) -> float | None:
    question = question_of(cell)
    if entry.why:
        return None
    if question is None:
        return utils.determine_grade(cell)[0]
    report = entry.reports.get(question)
    return None if report is None else report.points

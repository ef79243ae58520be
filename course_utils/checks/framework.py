"""Exercises, questions and their points.

A question is a plain function of two things: the learner's `answer` (asked by
name, see `course_utils.wire.answer.Answer`) and a `draw` of fresh data.
The learner runs it in the notebook, the grader runs the same function with
another seed:

    from course_utils.checks import expect
    from course_utils.checks.framework import Exercise, part

    exercise = Exercise(
        "06_full_fine_tuning",
        title="Full fine-tuning",
        minutes=60,
        difficulty="medium",
        cost="about 3 minutes on two cores",
    )

    @exercise.question(
        "q1",
        title="Hide the padding from the loss",
        points=3,
        needs=("mask_padding",),
        lesson="lessons/06_full_fine_tuning/02_preparing_the_task.ipynb",
        hints=(
            "What does the loss do with a label of -100?",
            "Compare each label with pad_id, one list at a time.",
            "[[0 if word == 'um' else 1 for word in line] for line in lines] does the same for filler words.",
        ),
    )
    def mask_padding(answer, draw):
        rows = [[draw.random.randrange(1, 50) for _ in range(6)] + [0, 0] for _ in range(4)]
        masked = answer.call("mask_padding", rows, 0)
        expect.length(masked, 4, "mask_padding(rows, 0)")        # failing here ends the question
        with part("padding is hidden", points=2):
            expect.equal([row[6:] for row in masked], [[-100, -100]] * 4, "the labels at the padding")
        with part("everything else is kept", points=1):
            expect.equal([row[:6] for row in masked], [row[:6] for row in rows], "the other labels")
        expect.advise(type(masked) is list, "a list of lists is what map() stores with the least fuss")

A failed expectation inside a `part` costs that part; outside, it ends the
question and what has not been reached earns nothing. A question without parts is
all or nothing. Messages climb one ladder, `course_utils.checks.report.Rung`.
"""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import hmac
import importlib
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from course_utils.checks.draw import Draw
from course_utils.checks.report import READABLE, Failed, PartResult, Report, Rung, explain, readable
from course_utils.fetched.registry import missing, notice
from course_utils.wire import answer as wire

PUBLIC_SECRET = b"the data everybody may see"
_TOO_MUCH = (MemoryError, RecursionError)  # what reading a learner's data can run into
#: For a grader's machine, see `Question.given_to_all`
GIVEN_TO_ALL = "Left out for everybody: it needs files that not everybody has. Each gets these points."
STILL_NONE = "`{}` is still None; if your answer is written, it waits for a question before it"


class Paths(Protocol):
    """What a check needs of a `Course`: the local folder of a model or a dataset, by its name."""

    def model(self, name: str, /) -> str: ...

    def dataset(self, name: str, /) -> str: ...


@dataclass
class _Sheet:
    """The parts and notes collected while one question runs, and the learner's names that it asks for."""

    parts: list[PartResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    told: Callable[[PartResult], None] = lambda part: None
    needs: tuple[str, ...] = ()

    def add(self, part: PartResult) -> None:
        """Note a part that was judged."""
        self.parts.append(part)
        self.told(part)


_sheet: contextvars.ContextVar[_Sheet] = contextvars.ContextVar("sheet")


@contextlib.contextmanager
def part(title: str, *, points: float) -> Iterator[None]:
    """A piece of a question with points of its own.

    What fails inside is noted with the part, and the question goes on after it.
    """
    rung, expected, got = Rung.RIGHT, "", ""
    try:
        yield
    except (Failed, wire.AnswerError, *_TOO_MUCH) as error:
        if isinstance(error, (wire.Lost, wire.Unavailable)):
            raise
        rung, expected, got = explain(error, _sheet.get().needs)
    earned = points if rung is Rung.RIGHT else 0.0
    _sheet.get().add(PartResult(title, earned, points, rung.value, expected, got))


def note(text: str) -> None:
    """A remark on a right answer ("right, but ..."); it costs no points."""
    _sheet.get().notes.append(readable(text))


@dataclass(frozen=True)
class Question:
    """One question of an exercise; `check` is `None` if an instructor marks it by hand.

    `fetched`: what of `course fetch` its check or its answer works on; where that is missing, it is left out.
    """

    exercise: str
    name: str
    title: str
    points: float
    needs: tuple[str, ...]
    lesson: str
    hints: tuple[str, ...]
    difficulty: int
    seconds: float
    check: Callable[[wire.Answer, Draw], None] | None
    fetched: tuple[str, ...] = ()

    @property
    def lacks(self) -> list[str]:
        """What it works on and this machine does not have."""
        return missing(self.fetched)

    @property
    def manual(self) -> bool:
        """Whether an instructor marks it."""
        return self.check is None

    def run(
        self,
        transport: wire.Transport | None,
        key: bytes | None = None,
        told: Callable[[PartResult], None] = lambda part: None,
    ) -> Report:
        """Judge what stands behind `transport` with the data that `key` draws.

        None is enough for a question that a person marks: nothing is asked there. `told` hears of each
        part as soon as it is judged.

        Never raises for what an answer does. If the check itself fails, the report
        is "ungraded" and says so: that is nobody's zero.
        """
        if self.check is None:
            return self._report(Rung.MANUAL, None, _Sheet())
        if lacks := self.lacks:
            return self._report(Rung.LEFT_OUT, None, _Sheet(notes=[notice(lacks)]))
        if transport is None:
            raise TypeError(f"{self.exercise} {self.name} is judged by its check: say where the answer is")
        sheet = _Sheet(told=told, needs=self.needs)
        token = _sheet.set(sheet)
        try:
            answer = wire.Answer(transport, self.seconds)
            self._look_for_needs(answer)
            self.check(answer, Draw(key or seed_key(PUBLIC_SECRET, "", self.exercise, self.name)))
            self._close(sheet, Rung.RIGHT, "", "")
        except wire.Lost as error:
            return self.stopped(str(error))
        except wire.Unavailable as error:
            return self.ungraded(error.message)
        except (Failed, wire.AnswerError, *_TOO_MUCH) as error:
            self._close(sheet, *explain(error, self.needs))
        except Exception as error:  # a fault of the check's, perhaps brought out by an odd answer
            fault = f"{type(error).__name__}: {str(error)[:300]}"
            return self.ungraded(f"the check of {self.name} itself failed ({fault})")
        finally:
            _sheet.reset(token)
        return self._judged(sheet)

    def ungraded(self, why: str) -> Report:
        """A report without a mark, and why."""
        return self._report(Rung.UNGRADED, None, _Sheet(notes=[readable(why)]))

    def given_to_all(self) -> Report:
        """A report of all points, without a look at the answer: the same for everybody, and it says so."""
        return self._report(Rung.LEFT_OUT, self.points, _Sheet(notes=[GIVEN_TO_ALL]))

    def needs_a_person(self, why: str) -> Report:
        """A report without a mark on what only a person can judge, and why."""
        return self._report(Rung.PERSON, None, _Sheet(notes=[readable(why)]))

    def stopped(self, why: str) -> Report:
        """A report of no points because the learner's process ended while it was asked."""
        lost = PartResult(
            self.title, 0.0, self.points, Rung.CRASHED.value, "the notebook's process to stay alive", why
        )
        return self._report(Rung.CRASHED, 0.0, _Sheet(parts=[lost]))

    def ended(self, parts: Sequence[PartResult], why: str) -> Report:
        """A report whose judging ended after these parts because of what it read."""
        sheet = _Sheet(list(parts))
        if sum(piece.max_points for piece in parts) < self.points or not parts:
            self._close(sheet, Rung.WRONG_VALUE, READABLE, why)
        return self._judged(sheet)

    def _look_for_needs(self, answer: wire.Answer) -> None:
        for name in self.needs:
            state = answer.state(name)
            if state is None:
                raise wire.Missing(name)
            if state == "empty":
                raise Failed(Rung.NOT_STARTED, f"`{name}` to hold your answer", STILL_NONE.format(name))

    def _close(self, sheet: _Sheet, rung: Rung, expected: str, got: str) -> None:
        """Add what is left of the points as one last part."""
        left = max(self.points - sum(piece.max_points for piece in sheet.parts), 0.0)
        if rung is Rung.RIGHT and sheet.parts:
            if not math.isclose(sum(piece.max_points for piece in sheet.parts), self.points):
                raise ValueError(
                    f"the parts of {self.exercise} {self.name} do not add up to its {self.points:g} points"
                )
            return
        title = "the rest" if sheet.parts else self.title
        earned = left if rung is Rung.RIGHT else 0.0
        sheet.parts.append(PartResult(title, earned, left, rung.value, expected, got))

    def _judged(self, sheet: _Sheet) -> Report:
        wrong = [piece for piece in sheet.parts if piece.rung != Rung.RIGHT.value]
        points = sum(piece.points for piece in sheet.parts)
        if not wrong:
            return self._report(Rung.RIGHT_BUT if sheet.notes else Rung.RIGHT, self.points, sheet)
        begun = [piece for piece in wrong if piece.rung != Rung.NOT_STARTED.value]
        first = Rung((begun or wrong)[0].rung)
        if first is Rung.NOT_STARTED and points > 0:
            first = Rung.PARTLY
        return self._report(first, min(max(points, 0.0), self.points), _Sheet(sheet.parts))

    def _report(self, rung: Rung, points: float | None, sheet: _Sheet) -> Report:
        return Report(
            self.exercise,
            self.name,
            self.title,
            points,
            self.points,
            rung.value,
            tuple(sheet.parts),
            tuple(sheet.notes),
            self.lesson,
            len(self.hints),
        )


#: How many times a card's minutes somebody takes who is new to the matter. Three exercises that were timed
#: with beginners took 90, 160 and 175 minutes where their cards say 60, 100 and 120: few, hence a range.
NEWCOMERS = 1.5


def newcomers_minutes(minutes: float) -> float:
    """The upper end of the time for an exercise, in minutes, on the next five; `minutes` is the lower."""
    return 5 * math.ceil(NEWCOMERS * minutes / 5)


@dataclass
class Exercise:
    """A chapter's exercise: its card and its questions, in order.

    `minutes` is the time of a learner who finds their way quickly (see
    `newcomers_minutes`), `difficulty` a word ("easy", "medium", "hard"),
    `cost` what it takes on two cores. `cell_seconds` is how long one cell of
    it may run when it is graded.
    """

    name: str
    title: str
    minutes: int
    difficulty: str
    cost: str
    cell_seconds: float = 600.0
    questions: dict[str, Question] = field(default_factory=dict)

    @property
    def points(self) -> float:
        """All points together, hand-marked questions included."""
        return sum(question.points for question in self.questions.values())

    def question(
        self,
        name: str,
        *,
        title: str,
        points: float,
        needs: tuple[str, ...] = (),
        lesson: str = "",
        hints: tuple[str, ...] = (),
        difficulty: int = 1,
        seconds: float = wire.CALL_SECONDS,
        fetched: tuple[str, ...] = (),
    ) -> Callable[[Callable], Callable]:
        """Register the decorated `(answer, draw)` function as the check of `name`.

        `needs`: names the learner's notebook must hold first. `difficulty`: 1 to
        3. `seconds`: the limit of each single request to the learner's code.
        `fetched`: what of `course fetch` it works on, such as ("opinions",).
        """

        def register(check: Callable) -> Callable:
            self._add(
                Question(
                    self.name,
                    name,
                    title,
                    points,
                    tuple(needs),
                    lesson,
                    tuple(hints),
                    difficulty,
                    seconds,
                    check,
                    tuple(fetched),
                )
            )
            return check

        return register

    def manual(
        self,
        name: str,
        *,
        title: str,
        points: float,
        lesson: str = "",
        hints: tuple[str, ...] = (),
        difficulty: int = 2,
    ) -> None:
        """Register a question that an instructor marks by hand."""
        self._add(Question(self.name, name, title, points, (), lesson, tuple(hints), difficulty, 0.0, None))

    def _add(self, question: Question) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", question.name):
            raise ValueError(f"the question's name {question.name!r} should be like 'q1'")
        if question.name in self.questions:
            raise ValueError(f"{self.name} has two questions named {question.name}")
        if not (math.isfinite(question.points) and question.points > 0):
            raise ValueError(f"{question.name} needs more than 0 points, not {question.points}")
        if len(question.hints) not in (0, 3):
            raise ValueError(f"{question.name} needs three hints: a nudge, a pointer, a worked example")
        self.questions[question.name] = question

    def find(self, name: str) -> Question:
        """The question of that name; `KeyError` with the names there are."""
        if name not in self.questions:
            raise KeyError(
                f"{self.name} has no question {name!r}; its questions are {', '.join(self.questions)}"
            )
        return self.questions[name]

    def __reduce__(self) -> tuple[Callable[[str], Exercise], tuple[str]]:
        """To another process it goes as its name: the checks are code, and that is there already."""
        return load_exercise, (self.name,)

    def card(self) -> dict:
        """The exercise's card as plain data."""
        return {
            "name": self.name,
            "title": self.title,
            "minutes": self.minutes,
            "difficulty": self.difficulty,
            "cost": self.cost,
            "points": self.points,
            "questions": [
                {
                    "name": q.name,
                    "title": q.title,
                    "points": q.points,
                    "difficulty": q.difficulty,
                    "manual": q.manual,
                }
                for q in self.questions.values()
            ],
        }


def seed_key(secret: bytes, student: str, exercise: str, question: str) -> bytes:
    """The 32 bytes that a question's data are drawn from: HMAC-SHA256 (RFC 2104)."""
    fields = "\x1f".join((student, exercise, question))
    return hmac.new(secret, fields.encode(), hashlib.sha256).digest()


_registered: dict[str, Exercise] = {}


def register(exercise: Exercise) -> None:
    """Make an exercise known that has no module in `course_utils.checks` (a test's, say)."""
    _registered[exercise.name] = exercise


def load_exercise(name: str) -> Exercise:
    """The exercise called `name` ("06_full_fine_tuning"), from
    `course_utils.checks.chapters.full_fine_tuning`.

    Raises `LookupError` if there is none.
    """
    if name in _registered:
        return _registered[name]
    stem = re.sub(r"^\d+_", "", name)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", stem):
        raise LookupError(f"{name!r} is not an exercise's name; they look like 06_full_fine_tuning")
    module = f"course_utils.checks.chapters.{stem}"
    try:
        exercise = importlib.import_module(module).exercise
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise LookupError(f"there is no exercise {name!r} (no module {module})") from None
    except AttributeError:
        raise LookupError(f"{module} is not an exercise's module") from None
    if exercise.name != name:
        raise LookupError(f"{module} holds the exercise {exercise.name!r}, not {name!r}")
    return exercise

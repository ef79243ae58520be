"""Reports, hints and exercise cards as text and as HTML.

Everything that comes from an answer is escaped, and there are no scripts, links to
elsewhere or styles of anybody else's in here: a card is shown to instructors too.
"""

from __future__ import annotations

from html import escape

from course_utils.checks.framework import Exercise, Question, newcomers_minutes
from course_utils.checks.report import PartResult, Report, Rung

_RIGHT = (Rung.RIGHT.value, Rung.RIGHT_BUT.value)
_NEUTRAL = (Rung.NOT_STARTED.value, Rung.MISSING.value, Rung.MANUAL.value, Rung.UNGRADED.value)
#: Frames only: each stands out from a light and from a dark page. No colour can be read as text on both, so
#: text keeps the colour of the page it stands on.
TONES = {"right": "#2e7d32", "partly": "#b26a00", "wrong": "#d93025", "neutral": "#80868b"}
HINT_NAMES = ("a nudge", "a pointer", "a worked example of something similar")


def _tone(report: Report) -> str:
    if report.rung in _RIGHT:
        return "right"
    if report.rung in _NEUTRAL and not report.points:
        return "neutral"
    return "partly" if report.points else "wrong"


def _score(report: Report) -> str:
    if report.points is None:
        return f"{report.max_points:g} points, not marked yet"
    return f"{report.points:g} of {report.max_points:g} points"


def _sentences(report: Report) -> list[str]:
    """What stands under the parts: how to begin, what to improve, where to read."""
    lines = []
    if report.rung == Rung.MANUAL.value:
        lines.append("An instructor reads and marks this answer.")
    if report.rung == Rung.NOT_STARTED.value:
        why = f" ({report.not_started})" if report.not_started else ""
        lines.append(f"Not started yet{why}: write your answer in the cell above, run it, and check again.")
    for note in report.notes:
        lines.append(note if report.rung == Rung.UNGRADED.value else f"Right, but: {note}")
    if report.lesson and report.rung not in (*_RIGHT, Rung.MANUAL.value):
        lines.append(f"To read again: {report.lesson}")
    return lines


def _part_line(part: PartResult) -> str:
    return f"{part.title}: {part.points:g} of {part.max_points:g}"


def report_text(report: Report) -> str:
    """One report as plain text."""
    lines = [f"{report.question}  {report.title}: {_score(report)} ({report.rung})"]
    for part in report.parts:
        mark = "+" if part.rung == Rung.RIGHT.value else "-"
        if len(report.parts) > 1:
            lines.append(f"  {mark} {_part_line(part)}")
        if part.expected and part.rung != Rung.NOT_STARTED.value:
            lines += [f"      {part.rung}", f"      expected {part.expected}", f"      got      {part.got}"]
    return "\n".join(lines + [f"  {line}" for line in _sentences(report)])


def _card(tone: str, head: str, body: list[str]) -> str:
    colour = TONES[tone]
    style = (
        f"border:1px solid {colour};border-left:6px solid {colour};border-radius:4px;padding:8px "
        "12px;margin:6px 0;max-width:60em"
    )
    return f'<div style="{style}"><div><strong>{head}</strong></div>{"".join(body)}</div>'


def _part_html(part: PartResult, alone: bool) -> str:
    lines = []
    if not alone:
        mark = "&#10003;" if part.rung == Rung.RIGHT.value else "&#10007;"
        lines.append(f"{mark} {escape(_part_line(part))}")
    if part.expected and part.rung != Rung.NOT_STARTED.value:
        lines.append(f"<em>{escape(part.rung)}</em>")
        lines.append(f"expected <code>{escape(part.expected)}</code>")
        lines.append(f"got <code>{escape(part.got)}</code>")
    return f'<div style="margin:4px 0 4px 8px">{"<br>".join(lines)}</div>' if lines else ""


def report_html(report: Report) -> str:
    """One report as an HTML card."""
    head = escape(f"{report.question} · {report.title} · {_score(report)}")
    parts = [_part_html(part, len(report.parts) == 1) for part in report.parts]
    return _card(
        _tone(report),
        head,
        parts + [f'<div style="margin-top:4px">{escape(line)}</div>' for line in _sentences(report)],
    )


def total_text(reports: list[Report], exercise: Exercise) -> str:
    """The sum of some reports in one line."""
    earned = sum(report.points or 0 for report in reports)
    by_hand = sum(question.points for question in exercise.questions.values() if question.manual)
    rest = f", and {by_hand:g} that an instructor gives" if by_hand else ""
    return f"{earned:g} of {exercise.points - by_hand:g} points{rest}"


def hint_text(question: Question, level: int) -> str:
    """A hint as plain text; raises `ValueError` for a level that does not exist."""
    if not question.hints:
        return f"{question.name} has no hints; read {question.lesson or 'the lesson'} again."
    if level not in (1, 2, 3):
        raise ValueError(
            f"hints have the levels 1 ({HINT_NAMES[0]}), 2 ({HINT_NAMES[1]}) and 3 ({HINT_NAMES[2]}), "
            f"not {level!r}"
        )
    more = f"\nFor {HINT_NAMES[level]}, ask for level {level + 1}." if level < 3 else ""
    return f"{question.name}, {HINT_NAMES[level - 1]}: {question.hints[level - 1]}{more}"


def hint_html(question: Question, level: int) -> str:
    """A hint as an HTML card."""
    first, *rest = hint_text(question, level).split("\n")
    body = escape("\n".join([first.partition(": ")[2], *rest]))
    return _card(
        "neutral", escape(first.partition(": ")[0]), [f'<div style="white-space:pre-wrap">{body}</div>']
    )


def exercise_text(exercise: Exercise) -> str:
    """An exercise's card as plain text."""
    most = newcomers_minutes(exercise.minutes)
    lines = [
        f"{exercise.title} ({exercise.name})",
        f"  {exercise.minutes} to {most:g} minutes · {exercise.difficulty} · {exercise.points:g} points · "
        f"{exercise.cost}",
    ]
    for question in exercise.questions.values():
        stars = "*" * question.difficulty
        by_hand = ", marked by hand" if question.manual else ""
        lines.append(
            f"  {question.name:<4} {stars:<3} {question.points:>4g} points  {question.title}{by_hand}"
        )
    return "\n".join(lines)


def exercise_html(exercise: Exercise) -> str:
    """An exercise's card as HTML."""
    first, *rest = exercise_text(exercise).split("\n")
    return _card(
        "neutral", escape(first), [f'<pre style="margin:4px 0">{escape(line.strip())}</pre>' for line in rest]
    )

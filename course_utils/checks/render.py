"""Reports, hints and exercise cards as text and as HTML.

Everything that comes from an answer is escaped, and there are no scripts, links to
elsewhere or styles of anybody else's in here: a card is shown to instructors too.
Where it is shown in an exercise, the lesson to read again is a link to its place.
"""

from __future__ import annotations

import re
from html import escape
from urllib.parse import quote

from course_utils.checks.framework import Exercise, Question, newcomers_minutes
from course_utils.checks.report import PartResult, Report, Rung
from course_utils.texts.catalogue import say

_RIGHT = (Rung.RIGHT.value, Rung.RIGHT_BUT.value)
_UNMARKED = (Rung.UNGRADED.value, Rung.PERSON.value, Rung.LEFT_OUT.value)
_NEUTRAL = (Rung.NOT_STARTED.value, Rung.MISSING.value, Rung.MANUAL.value, *_UNMARKED)
#: Frames only: each stands out from a light and from a dark page. No colour can be read as text on both, so
#: text keeps the colour of the page it stands on.
TONES = {"right": "#2e7d32", "partly": "#b26a00", "wrong": "#d93025", "neutral": "#80868b"}
HINT_NAMES = ("a nudge", "a pointer", "a worked example of something similar")


def _tone(report: Report) -> str:
    if report.rung in _RIGHT or report.points == report.max_points:
        return "right"
    if report.rung in _NEUTRAL and not report.points:
        return "neutral"
    return "partly" if report.points else "wrong"


def _score(report: Report) -> str:
    if report.points is None and report.rung == Rung.LEFT_OUT.value:
        return say(f"{report.max_points:g} points that do not count here")
    if report.points is None:
        return say(f"{report.max_points:g} points, not marked yet")
    return say(f"{report.points:g} of {report.max_points:g} points")


def _sentences(report: Report) -> list[str]:
    """What stands under the parts: how to begin, what to improve, where to read."""
    lines = []
    if report.rung == Rung.MANUAL.value:
        lines.append("An instructor reads and marks this answer.")
    if report.rung == Rung.NOT_STARTED.value:
        why = f" ({say(report.not_started)})" if report.not_started else ""
        lines.append(f"Not started yet{why}: write your answer in the cell above, run it, and check again.")
    for note in report.notes:
        lines.append(note if report.rung in _UNMARKED else f"Right, but: {note}")
    return [say(line) for line in lines]


def _to_read(report: Report) -> str:
    """The lesson to read again, where there is reason to, as "lessons/a.ipynb#The section"."""
    return report.lesson if report.rung not in (*_RIGHT, Rung.MANUAL.value, Rung.LEFT_OUT.value) else ""


def _lesson_html(lesson: str, linked: bool) -> str:
    """A lesson and its section; `linked` as from an exercise's folder, whose place is two folders below."""
    path, _, section = lesson.partition("#")
    shown = escape(f"{path}, “{section}”" if section else path)
    if not linked:
        return shown
    anchor = f"#{quote(section.replace(' ', '-'))}" if section else ""
    return f'<a href="../../{quote(path)}{anchor}">{shown}</a>'


def _part_line(part: PartResult) -> str:
    why = say(" (not started)") if part.rung == Rung.NOT_STARTED.value else ""
    return f"{say(part.title)}: {say(f'{part.points:g} of {part.max_points:g}')}{why}"


#: What of a message is code: in backticks, a call or what stands in brackets (with brackets in them, three
#: deep), a text in quotes, and a name with an underscore or a dot in it
_INSIDE = r"[^()\[\]{}]"
for _ in range(3):
    _INSIDE = rf"(?:[^()\[\]{{}}]|[(\[{{](?:{_INSIDE})*[)\]}}])"
_CODE = re.compile(
    rf"`([^`]+)`|((?:[A-Za-z_][\w.]*)?[(\[{{]{_INSIDE}*[)\]}}](?:\[[^\[\]]*\])*"
    r"|'[^']*'|\"[^\"]*\"|\b\w+(?:[_.]\w+)+\b)"
)


def _message_html(message: str) -> str:
    """A message as prose in which the code is marked."""
    pieces, end = [], 0
    for found in _CODE.finditer(message):
        pieces += [escape(message[end : found.start()]), f"<code>{escape(found[1] or found[2])}</code>"]
        end = found.end()
    return "".join(pieces) + escape(message[end:])


def report_text(report: Report) -> str:
    """One report as plain text."""
    lines = [f"{report.question}  {say(report.title)}: {_score(report)} ({say(report.rung)})"]
    for part in report.parts:
        mark = "+" if part.rung == Rung.RIGHT.value else "-"
        if len(report.parts) > 1:
            lines.append(f"  {mark} {_part_line(part)}")
        if part.expected and part.rung != Rung.NOT_STARTED.value:
            lines.append(f"      {say(part.rung)}")
            lines += [f"      {said:<8} {text}" for said, text in _expected_and_got(part)]
    lines += [f"  {line}" for line in _sentences(report)]
    if _to_read(report):
        lines.append(f"  {say('To read again:')} {report.lesson}")
    return "\n".join(lines)


def _expected_and_got(part: PartResult) -> list[tuple[str, str]]:
    return [(say("expected"), say(part.expected)), (say("got"), say(part.got))]


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
        lines.append(f"<em>{escape(say(part.rung))}</em>")
        lines += [f"{escape(said)} {_message_html(text)}" for said, text in _expected_and_got(part)]
    return f'<div style="margin:4px 0 4px 8px">{"<br>".join(lines)}</div>' if lines else ""


def report_html(report: Report, *, linked: bool = False) -> str:
    """One report as an HTML card; `linked` where it is shown in an exercise, which can reach the lessons."""
    head = escape(f"{report.question} · {say(report.title)} · {_score(report)}")
    parts = [_part_html(part, len(report.parts) == 1) for part in report.parts]
    lines = [escape(line) for line in _sentences(report)]
    if _to_read(report):
        lines.append(f"{escape(say('To read again:'))} {_lesson_html(report.lesson, linked)}")
    return _card(_tone(report), head, parts + [f'<div style="margin-top:4px">{line}</div>' for line in lines])


def total_text(reports: list[Report], exercise: Exercise) -> str:
    """The sum of some reports in one line."""
    earned = sum(report.points or 0 for report in reports)
    by_hand = sum(question.points for question in exercise.questions.values() if question.manual)
    left_out = sum(
        each.max_points for each in reports if each.points is None and each.rung == Rung.LEFT_OUT.value
    )
    rest = say(f", and {by_hand:g} that an instructor gives") if by_hand else ""
    return say(f"{earned:g} of {exercise.points - by_hand - left_out:g} points") + rest


def hint_text(question: Question, level: int) -> str:
    """A hint as plain text; raises `ValueError` for a level that does not exist."""
    if not question.hints:
        return say(f"{question.name} has no hints; read {question.lesson or 'the lesson'} again.")
    if level not in (1, 2, 3):
        raise ValueError(
            f"hints have the levels 1 ({HINT_NAMES[0]}), 2 ({HINT_NAMES[1]}) and 3 ({HINT_NAMES[2]}), "
            f"not {level!r}"
        )
    more = "\n" + say(f"For {HINT_NAMES[level]}, ask for level {level + 1}.") if level < 3 else ""
    return f"{question.name}, {say(HINT_NAMES[level - 1])}: {say(question.hints[level - 1])}{more}"


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
        f"{say(exercise.title)} ({exercise.name})",
        f"  {say(f'{exercise.minutes} to {most:g} minutes')} · {say(exercise.difficulty)} · "
        f"{say(f'{exercise.points:g} points')} · {say(exercise.cost)}",
    ]
    for question in exercise.questions.values():
        stars = "*" * question.difficulty
        by_hand = say(", marked by hand") if question.manual else ""
        points = say(f"{question.points:>4g} points")
        lines.append(f"  {question.name:<4} {stars:<3} {points}  {say(question.title)}{by_hand}")
    return "\n".join(lines)


def exercise_html(exercise: Exercise) -> str:
    """An exercise's card as HTML."""
    first, *rest = exercise_text(exercise).split("\n")
    return _card(
        "neutral", escape(first), [f'<pre style="margin:4px 0">{escape(line.strip())}</pre>' for line in rest]
    )

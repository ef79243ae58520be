"""The page a learner gets back: points, what was expected, what came, and where to read on.

One file without scripts, pictures or anything from elsewhere; its own security policy keeps
a browser from running or fetching anything in it, whatever a learner's code put into a
message. It follows the reader's choice of light or dark, and prints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from course_utils.checks.framework import Exercise, PartResult, Question, Report, Rung
from course_utils.checks.report import unmarked_as
from course_utils.text import printable
from course_utils.texts.catalogue import language, say

SHOWN_CHARACTERS = 2_000  # of one text in a message
_NOT_BEGUN = (Rung.NOT_STARTED.value, Rung.MISSING.value)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --paper: #ffffff; --soft: #f3f4f6; --line: #d5d9de; --dim: #59636e;
  --right: #1a7f37; --partly: #9a6700; --wrong: #b3261e; --waiting: #59636e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #14181d; --soft: #1f252c; --line: #3a424c;
  --dim: #9aa5b1; --right: #4cc46a; --partly: #e0b341; --wrong: #ff8a80; --waiting: #9aa5b1; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 48rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.7rem; line-height: 1.25; }
h2 { margin: 0; font-size: 1.1rem; flex: 1; }
.who { margin: .25rem 0 1.25rem; color: var(--dim); }
.total { font-size: 1.25rem; margin: 0 0 .35rem; }
meter { width: 100%; height: 1rem; }
section { border: 1px solid var(--line); border-left: .4rem solid var(--tone); border-radius: .4rem; margin: 1rem 0; padding: .8rem 1rem; }
.right { --tone: var(--right); } .partly { --tone: var(--partly); } .wrong { --tone: var(--wrong); } .waiting { --tone: var(--waiting); }
header { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; }
.points { color: var(--tone); font-weight: 600; white-space: nowrap; }
ul { list-style: none; padding: 0; margin: .6rem 0 0; }
li { padding: .15rem 0 .15rem 1.6rem; position: relative; }
li::before { content: attr(data-mark); position: absolute; left: .1rem; font-weight: 700; color: var(--mark); }
.met { --mark: var(--right); } .missed { --mark: var(--wrong); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem .8rem; margin: .35rem 0 .5rem; }
dt { color: var(--dim); } dd { margin: 0; min-width: 0; }
code { display: block; background: var(--soft); border-radius: .3rem; padding: .15rem .5rem; font: .9rem/1.5 ui-monospace, monospace;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.more { margin: .6rem 0 0; color: var(--dim); } .more code { display: inline; padding: .05rem .35rem; }
@media print { body { padding: 0; max-width: none; } section { break-inside: avoid; } }
@media (max-width: 30rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .3rem; } }
"""


@dataclass(frozen=True)
class Mark:
    """What the gradebook holds of a question.

    `points`: `None` while nobody has given any. `comment`: an instructor's.
    `blank`: left as it was released. `void`: it counts for nobody.
    """

    points: float | None = None
    comment: str = ""
    blank: bool = False
    void: bool = False


def page(
    student: str,
    exercise: Exercise,
    reports: list[Report],
    marks: dict[str, Mark] | None = None,
    why: str = "",
    late_penalty: float = 0.0,
    note: str = "",
    endless: Sequence[str] = (),
) -> str:
    """A learner's page as HTML.

    `reports` are what the checks said, `marks` what the gradebook holds by question; where it is silent,
    the report's points count. `why` says why nothing could be graded; `note` stands below the total.
    `endless`: the cells that were stopped because they printed without end.
    """
    found = {report.question: report for report in reports}
    marks = {name: Mark(report.points) for name, report in found.items()} | (marks or {})
    answered = [
        (question, found.get(name), marks.get(name, Mark())) for name, question in exercise.questions.items()
    ]
    score = f"{say(unmarked_as(reports))}: {say(why)}" if why else _total(answered, late_penalty)
    title = escape(say(exercise.title))
    who = say(f"{exercise.name}, handed in by {student}")
    notes = [say(note)] if note else []
    notes += [
        say(f"A cell was stopped, as it printed without end: {name}. Look for a loop that never ends.")
        for name in endless
    ]
    below = "".join(f"<p>{escape(_shown(each))}</p>" for each in notes)
    cards = "\n".join(_card(*each) for each in answered)
    return f"""<!DOCTYPE html>
<html lang="{language()}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}: {escape(student)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{title}</h1>
<p class="who">{escape(who)}</p>
<p class="total"><strong>{escape(_shown(score))}</strong></p>{below}
{_bar(answered, late_penalty)}
{cards}
</body>
</html>
"""


_Answered = tuple[Question, Report | None, Mark]


def _earned(answered: list[_Answered]) -> tuple[float, float]:
    """The points so far, and the most that they could be."""
    marked = [
        (mark.points, question.points)
        for question, _, mark in answered
        if mark.points is not None and not mark.void
    ]
    return sum(points for points, _ in marked), sum(most for _, most in marked)


def _total(answered: list[_Answered], late_penalty: float) -> str:
    earned, most = _earned(answered)
    final = max(earned - late_penalty, 0)
    text = say(f"{final:g} of {most:g} points")
    if late_penalty:
        text += say(f" ({earned:g}, less {late_penalty:g} for handing in late)")
    by_hand = sum(
        question.points
        for question, _, mark in answered
        if mark.points is None and question.manual and not mark.void
    )
    return text + (say(f", and {by_hand:g} that an instructor gives") if by_hand else "")


def _bar(answered: list[_Answered], late_penalty: float) -> str:
    """How much of what could be marked already counts, as a bar."""
    earned, most = _earned(answered)
    earned = max(earned - late_penalty, 0)
    return f'<meter min="0" max="{most:g}" value="{earned:g}">{_of(earned, most)}</meter>' if most else ""


def _of(points: float, most: float) -> str:
    return escape(say(f"{points:g} of {most:g}"))


def _card(question: Question, report: Report | None, mark: Mark) -> str:
    """One question: what the check said of it, and what a person did."""
    tone, points = _tone_and_points(question, report, mark)
    parts = "" if report is None else "".join(_part(part, len(report.parts) > 1) for part in report.parts)
    return f"""<section class="{tone}">
<header><h2>{escape(question.name)} · {escape(say(question.title))}</h2><span class="points">{escape(points)}</span></header>
{f"<ul>{parts}</ul>" if parts else ""}
{"".join(f'<p class="more">{line}</p>' for line in _lines(question, report, mark))}
</section>"""


def _tone_and_points(question: Question, report: Report | None, mark: Mark) -> tuple[str, str]:
    if mark.void:
        return "waiting", say("does not count")
    if mark.points is None:
        return "waiting", say(f"{question.points:g} points, not marked yet")
    points = say(f"{mark.points:g} of {question.points:g} points")
    if not mark.points and (mark.blank or (report and report.rung in _NOT_BEGUN)):
        return "waiting", points
    if mark.points >= question.points:
        return "right", points
    return "partly" if mark.points else "wrong", points


def _part(part: PartResult, named: bool) -> str:
    """What one part earned, and, where it was missed, what was expected and what came."""
    met = part.rung == Rung.RIGHT.value
    title = f"{escape(say(part.title))}: {_of(part.points, part.max_points)}" if named else ""
    if not named and (met or part.rung == Rung.NOT_STARTED.value):
        return ""
    why = "" if met or not part.expected or part.rung == Rung.NOT_STARTED.value else _expected_and_got(part)
    kind, mark = ("met", "✓") if met else ("missed", "✗")
    return f'<li class="{kind}" data-mark="{mark}">{title}{why}</li>'


def _expected_and_got(part: PartResult) -> str:
    rows = ((say("expected"), part.expected), (say("came"), part.got))
    listed = "".join(
        f"<dt>{escape(name)}</dt><dd><code>{escape(say(_shown(text)))}</code></dd>" for name, text in rows
    )
    return f"<div>{escape(say(part.rung))}</div><dl>{listed}</dl>"


def _lines(question: Question, report: Report | None, mark: Mark) -> list[str]:
    """What stands below: remarks, and where to read on."""
    lines = [] if report is None else _remarks(report)
    if mark.void:
        lines.append(escape(say("Your instructor has taken this question out: it counts for nobody.")))
    if question.manual and mark.blank:
        lines.append(escape(say("Nothing is written here.")))
    elif question.manual and mark.points is None:
        lines.append(escape(say("A person reads and marks this answer.")))
    if report is not None and mark.points != report.points:
        lines.append(
            escape(
                say("The points were changed by a person, or it was marked again, after this was written.")
            )
        )
    if mark.comment:
        lines.append(f"{escape(say('Your instructor:'))} {escape(_shown(mark.comment))}")
    if question.lesson and (mark.points is None or mark.points < question.points) and not question.manual:
        lines.append(f"{escape(say('To read again:'))} <code>{escape(question.lesson)}</code>")
    return lines


def _remarks(report: Report) -> list[str]:
    lines = []
    if report.rung == Rung.NOT_STARTED.value:
        why = f": {say(report.not_started)}" if report.not_started else ""
        lines.append(escape(say("Not started yet") + _shown(why) + "."))
    before = say("Not marked:") if report.points is None else say("Right, but:")
    before = "" if report.rung == Rung.LEFT_OUT.value else f"{before} "
    return lines + [f"{escape(before)}{escape(say(_shown(note)))}" for note in report.notes]


def _shown(text: str) -> str:
    """A text of bearable length, without what could turn the line around or give the browser orders."""
    return printable(text, SHOWN_CHARACTERS)

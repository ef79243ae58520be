"""The page a learner gets back: points, what was expected, what came, and where to read on.

One file without scripts, pictures or anything from elsewhere; its own security policy keeps
a browser from running or fetching anything in it, whatever a learner's code put into a
message. It follows the reader's choice of light or dark, and prints.
"""

from __future__ import annotations

from html import escape

from course_utils.checks.framework import Exercise, PartResult, Question, Report, Rung

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


def page(student: str, exercise: Exercise, reports: list[Report], score: str) -> str:
    """A learner's page as HTML. ``score`` is the sum in words, or why there is none."""
    found = {report.question: report for report in reports}
    cards = "\n".join(_card(question, found.get(question.name)) for question in exercise.questions.values())
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{escape(exercise.title)}: {escape(student)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{escape(exercise.title)}</h1>
<p class="who">{escape(exercise.name)}, handed in by {escape(student)}</p>
<p class="total"><strong>{escape(_shown(score))}</strong></p>
{_bar(exercise, reports)}
{cards}
</body>
</html>
"""


def _bar(exercise: Exercise, reports: list[Report]) -> str:
    """How much of what could be marked already was earned, as a bar."""
    marked = [report for report in reports if report.points is not None]
    if not marked:
        return ""
    most = sum(report.max_points for report in marked)
    earned = sum(report.points for report in marked)
    return f'<meter min="0" max="{most:g}" value="{earned:g}">{earned:g} of {most:g}</meter>'


def _card(question: Question, report: Report | None) -> str:
    """One question; without a report it waits for a person."""
    tone, points = _tone_and_points(question, report)
    parts = "" if report is None else "".join(_part(part, len(report.parts) > 1) for part in report.parts)
    return f"""<section class="{tone}">
<header><h2>{escape(question.name)} · {escape(question.title)}</h2><span class="points">{escape(points)}</span></header>
{f"<ul>{parts}</ul>" if parts else ""}
{"".join(f'<p class="more">{line}</p>' for line in _lines(question, report))}
</section>"""


def _tone_and_points(question: Question, report: Report | None) -> tuple[str, str]:
    if report is None or report.points is None:
        return "waiting", f"{question.points:g} points, not marked yet"
    points = f"{report.points:g} of {report.max_points:g} points"
    if not report.points and report.rung in _NOT_BEGUN:
        return "waiting", points
    if report.points == report.max_points:
        return "right", points
    return "partly" if report.points else "wrong", points


def _part(part: PartResult, named: bool) -> str:
    """What one part earned, and, where it was missed, what was expected and what came."""
    met = part.rung == Rung.RIGHT.value
    title = f"{escape(part.title)}: {part.points:g} of {part.max_points:g}" if named else ""
    if not named and (met or part.rung == Rung.NOT_STARTED.value):
        return ""
    why = "" if met or not part.expected or part.rung == Rung.NOT_STARTED.value else _expected_and_got(part)
    kind, mark = ("met", "✓") if met else ("missed", "✗")
    return f'<li class="{kind}" data-mark="{mark}">{title}{why}</li>'


def _expected_and_got(part: PartResult) -> str:
    rows = (("expected", part.expected), ("came", part.got))
    listed = "".join(f"<dt>{name}</dt><dd><code>{escape(_shown(text))}</code></dd>" for name, text in rows)
    return f"<div>{escape(part.rung)}</div><dl>{listed}</dl>"


def _lines(question: Question, report: Report | None) -> list[str]:
    """What stands below: remarks, and where to read on."""
    if report is None:
        return ["A person reads and marks this answer."]
    lines = ["Not started yet."] if report.rung == Rung.NOT_STARTED.value else []
    for note in report.notes:
        lines.append(("Not marked: " if report.points is None else "Right, but: ") + escape(_shown(note)))
    if question.lesson and report.points != report.max_points:
        lines.append(f"To read again: <code>{escape(question.lesson)}</code>")
    return lines


def _shown(text: str) -> str:
    """A text of bearable length, without what could turn the line around or give the browser orders."""
    kept = "".join(
        letter if letter.isprintable() or letter in "\n\t" else "�" for letter in text[:SHOWN_CHARACTERS]
    )
    return kept + "…" if len(text) > SHOWN_CHARACTERS else kept

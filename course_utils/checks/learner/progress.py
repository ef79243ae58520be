"""A learner's own record of points: written by `course.check`, shown by `course
progress`, kept on this machine.

The record is a file of lines, one per checked question. A line is appended in a single write, so nothing that
is already there can be lost, two notebooks may write at once, and a line that was cut off spoils itself
alone. What counts is the best result of each question. Marks that an instructor gives are not in it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from dataclasses import dataclass
from html import escape
from pathlib import Path

from course_utils.checks.framework import Exercise, load_exercise
from course_utils.checks.render import TONES
from course_utils.checks.report import Report
from course_utils.texts.catalogue import say
from course_utils.workplace import workplace

FILE = "progress.jsonl"
BAR = 12  # characters


def folder() -> Path:
    """Where the record lies: COURSE_DATA, else the user's data folder (XDG_DATA_HOME, ~/.local/share)."""
    if own := os.environ.get("COURSE_DATA"):
        return Path(own).expanduser()
    shared = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(shared).expanduser() / "course-workbook"


def record(report: Report) -> bool:
    """Append a report; `False` where nothing can be written, which must never spoil a check."""
    if report.points is None:
        return False
    entry = {
        "exercise": report.exercise,
        "question": report.question,
        "points": report.points,
        "of": report.max_points,
        "time": round(time.time()),
    }
    line = f"\n{json.dumps(entry)}\n".encode()  # a line of its own, whatever was cut off before it
    try:
        folder().mkdir(parents=True, exist_ok=True)
        handle = os.open(folder() / FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            return os.write(handle, line) == len(line)
        finally:
            os.close(handle)
    except OSError:
        return False


@dataclass(frozen=True)
class Entries:
    """What the record says. best: {(exercise, question): points}. last: the exercise that was checked last.

    unreadable: how many lines were left out, or why nothing could be read.
    """

    best: dict[tuple[str, str], float]
    last: str | None = None
    unreadable: int | str = 0


def read() -> Entries:
    """The record as it is; a missing one is empty, and a damaged one gives what can still be read."""
    try:
        text = (folder() / FILE).read_bytes().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return Entries({})
    except OSError as error:
        return Entries({}, unreadable=error.strerror or type(error).__name__)
    lines = [line for line in text.split("\n") if line.strip()]
    found = [entry for line in lines if (entry := _entry(line))]
    best: dict[tuple[str, str], float] = {}
    for exercise, question, points in found:
        best[exercise, question] = max(points, best.get((exercise, question), 0.0))
    return Entries(best, found[-1][0] if found else None, len(lines) - len(found))


def _entry(line: str) -> tuple[str, str, float] | None:
    """(exercise, question, points) of a line; `None` where it isn't one."""
    try:
        entry = json.loads(line)
        exercise, question, points = entry["exercise"], entry["question"], entry["points"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    texts = isinstance(exercise, str) and isinstance(question, str)
    number = isinstance(points, (int, float)) and not isinstance(points, bool)
    return (exercise, question, float(points)) if texts and number and math.isfinite(points) else None


@dataclass(frozen=True)
class Standing:
    """One chapter. reachable: points that checks give; by_hand: points that an instructor gives."""

    name: str
    title: str
    earned: float
    reachable: float
    by_hand: float
    next_question: str | None
    next_title: str

    @property
    def finished(self) -> bool:
        return self.next_question is None


def exercises() -> list[Exercise]:
    """The exercises of this workbook, in teaching order: those that lie where the learner works."""
    found = []
    for place in sorted((workplace() / "exercises").glob("*/")):
        try:
            found.append(load_exercise(place.name))
        except LookupError:
            continue  # a folder of somebody's own
    return found


def standing(exercise: Exercise, entries: Entries) -> Standing:
    """How far a learner is in one exercise. Points are at most what a question gives today; what is left out
    on this machine is not among them.
    """
    checked = [each for each in exercise.questions.values() if not each.manual and not each.lacks]
    earned = {
        question.name: min(max(entries.best.get((exercise.name, question.name), 0.0), 0.0), question.points)
        for question in checked
    }
    left = next((question for question in checked if earned[question.name] < question.points), None)
    return Standing(
        exercise.name,
        exercise.title,
        sum(earned.values()),
        sum(question.points for question in checked),
        sum(question.points for question in exercise.questions.values() if question.manual),
        left.name if left else None,
        left.title if left else "",
    )


def next_up(standings: list[Standing], last: str | None) -> Standing | None:
    """The chapter to go on with: the one last worked on if it is unfinished, else the first that is."""
    unfinished = [one for one in standings if not one.finished]
    return next((one for one in unfinished if one.name == last), unfinished[0] if unfinished else None)


def overview() -> tuple[list[Standing], Entries]:
    """Every chapter's standing, and the record that it comes from."""
    entries = read()
    return [standing(exercise, entries) for exercise in exercises()], entries


# As text and as a card


def _where() -> str:
    path = folder() / FILE
    try:
        return f"~/{path.relative_to(Path.home())}"
    except ValueError:
        return str(path)


def _closing(standings: list[Standing], entries: Entries) -> list[str]:
    """What is next, what could not be read, and where the record lies."""
    lines = []
    if not standings:
        lines.append("There are no exercises here yet: `course release` makes them.")
    elif following := next_up(standings, entries.last):
        where = f"exercises/{following.name}/{following.name}.ipynb"
        lines.append(f"Next: {following.next_question}, {following.next_title}. It is in {where}")
    else:
        lines.append("Every question that a check can mark has full points. Well done.")
    if isinstance(entries.unreadable, str):
        lines.append(
            f"The record could not be read ({entries.unreadable}). Your notebooks are untouched: check again "
            "and the points return, once the file can be read."
        )
    elif entries.unreadable:
        lines.append(
            f"{entries.unreadable} damaged lines of the record were left out. If points are missing, run the "
            "checks of that exercise again."
        )
    return [say(line) for line in (*lines, f"This record stays on this computer, in {_where()}")]


def _points(one: Standing) -> str:
    by_hand = say(f" (+{one.by_hand:g} by hand)") if one.by_hand else ""
    return say(f"{one.earned:g} of {one.reachable:g} points") + by_hand


def progress_text() -> str:
    """The whole record as plain text."""
    standings, entries = overview()
    width = max((len(one.name) for one in standings), default=0)
    lines = []
    for one in standings:
        filled = int(BAR * one.earned / one.reachable) if one.reachable else BAR
        lines.append(f"{one.name:<{width}}  {'#' * filled:.<{BAR}}  {_points(one)}")
    return "\n".join([*lines, "", *_closing(standings, entries)])


def progress_html() -> str:
    """The same as an HTML card: escaped, no scripts, styles inline."""
    standings, entries = overview()
    rows, tone = [], TONES["neutral"]
    for one in standings:
        share = 100 * one.earned / one.reachable if one.reachable else 100
        bar = (
            f'<div style="border:1px solid {tone};width:10em;height:0.8em"><div '
            f'style="background:{tone};height:100%;width:{share:.0f}%"></div></div>'
        )
        number = one.name.partition("_")[0]
        cells = (escape(number), escape(say(one.title)), bar, escape(_points(one)))
        rows.append("<tr>" + "".join(f'<td style="text-align:left">{cell}</td>' for cell in cells) + "</tr>")
    closing = "".join(f"<div>{escape(line)}</div>" for line in _closing(standings, entries))
    style = (
        f"border:1px solid {tone};border-left:6px solid {tone};border-radius:4px;padding:8px "
        "12px;margin:6px 0;max-width:60em"
    )
    return f'<div style="{style}"><table>{"".join(rows)}</table>{closing}</div>'


def main(argv: list[str] | None = None) -> int:
    """The `course progress` command."""
    parser = argparse.ArgumentParser(
        prog="course progress", description="Your points by chapter, and what is next."
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--forget", action="store_true", help="delete the record of this computer")
    options = parser.parse_args(argv)
    if options.forget:
        return _forget()
    if options.json:
        standings, entries = overview()
        following = next_up(standings, entries.last)
        found = {"chapters": [vars(one) for one in standings], "next": following and following.name}
        print(json.dumps(found, indent=1))
    else:
        print(progress_text())
    return 0


def _forget() -> int:
    try:
        (folder() / FILE).unlink(missing_ok=True)
    except OSError as error:
        print(f"course progress: {_where()} can't be deleted ({error.strerror})", file=sys.stderr)
        return 1
    print("The record is deleted. Your notebooks are untouched.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The tables that are made from the chapters, as Markdown: the first page's, the
teacher's costs and timetables.
"""

from __future__ import annotations

from collections.abc import Iterable

from course_utils.chapters.chapter import TRACKS, Chapter, Slot, Track

BREAK_MINUTES = 15
BREAK_AFTER = 75  # minutes that a class sits before the next break


def of_track(chapters: Iterable[Chapter], name: str) -> list[Chapter]:
    return [chapter for chapter in chapters if chapter.track == name]


def by_track(chapters: list[Chapter]) -> list[tuple[str, Track, list[Chapter]]]:
    """(name, track, its chapters) for every track that has chapters, the day first."""
    found = [(name, track, of_track(chapters, name)) for name, track in TRACKS.items()]
    return [each for each in found if each[2]]


# The first page


def index(chapters: list[Chapter]) -> str:
    """The chapters with links to their lessons and exercises, as they lie from `lessons/`.

    The day comes first, each other track under its heading.
    """
    parts = []
    for name, track, members in by_track(chapters):
        heading = "" if name == "day" else f"### {track.title}\n\n"
        rows = "\n".join(map(_index_row, members))
        parts.append(f"{heading}| chapter | read and run | then do |\n|---|---|---|\n{rows}")
    return "\n\n".join(parts)


def _index_row(chapter: Chapter) -> str:
    lessons = "<br>".join(
        f"[{lesson.number} {lesson.title}]({chapter.name}/{lesson.file})" for lesson in chapter.lessons
    )
    notebook = f"../exercises/{chapter.name}/{chapter.name}.ipynb"
    exercise = f"[exercise {chapter.number}]({notebook})" if chapter.has_exercise else ""
    return f"| {chapter.number} {chapter.title} | {lessons} | {exercise} |"


# What it costs


def together(chapters: list[Chapter]) -> str:
    """The hours of the day, of all lessons and of all exercises, as a line for the first page."""
    day = of_track(chapters, "day")
    in_class = sum(slot.minutes for chapter in day for slot in chapter.slots) / 60
    lessons = sum(each.reading + each.running for each in chapters) / 60
    least = sum(each.exercise for each in chapters) / 60
    most = sum(each.longest_exercise for each in chapters) / 60
    return (
        f"The day in class: about {in_class:.0f} hours and its breaks. All lessons, read and run alone: "
        f"about {lessons:.0f} hours. All exercises: {least:.0f} to {most:.0f} hours."
    )


def costs(chapters: list[Chapter]) -> str:
    """Minutes and points of every chapter."""
    rows = [
        f"| {each.name} | {each.reading:.0f} | {each.running:.1f} "
        f"| {each.exercise:.0f} to {each.longest_exercise:.0f} | {each.points:g} |"
        for each in chapters
    ]
    return "\n".join(["| chapter | reading | machine | exercise | points |", "|---|---|---|---|---|", *rows])


# Timetables


def timetable(track: Track, chapters: list[Chapter]) -> str:
    """The timetable of one track, with a break wherever a class has sat for
    BREAK_AFTER minutes; "" without slots.
    """
    sections = _sections(track, chapters)
    lines, clock, sat = [], track.starts, 0
    for title, slots in sections.items():
        if sat >= BREAK_AFTER:
            lines.append(f"| {_time(clock)} | {BREAK_MINUTES} | break | | |")
            clock, sat = clock + BREAK_MINUTES, 0
        minutes = sum(slot.minutes for _, slot in slots)
        named = ", ".join(_named(chapter, slot) for chapter, slot in slots)
        lines.append(f"| {_time(clock)} | {minutes} | {title} | {named} | {_cuts(slots)} |")
        clock, sat = clock + minutes, sat + minutes
    head = ["| from | minutes | section | chapters | late? cut this first |", "|---|---|---|---|---|"]
    return "\n".join(head + lines) if lines else ""


def other_timetables(chapters: list[Chapter]) -> str:
    """The timetables of all tracks but the day, each under its heading."""
    others = [(track, members) for name, track, members in by_track(chapters) if name != "day"]
    found = [(track.title, timetable(track, members)) for track, members in others]
    return "\n\n".join(f"### {title}\n\n{table}" for title, table in found if table)


Placed = tuple[Chapter, Slot]


def _sections(track: Track, chapters: list[Chapter]) -> dict[str, list[Placed]]:
    """section -> its slots, in the order of the track's sections, or of the chapters where it has none."""
    placed = [(chapter, slot) for chapter in chapters for slot in chapter.slots]
    sections: dict[str, list[Placed]] = {title: [] for title in track.sections}
    for chapter, slot in placed:
        sections.setdefault(slot.section or chapter.title, []).append((chapter, slot))
    return {title: slots for title, slots in sections.items() if slots}


def _named(chapter: Chapter, slot: Slot) -> str:
    number = f"**{chapter.number}**" if slot.exercise else chapter.number
    lessons = " and ".join(map(str, slot.lessons))
    return f"{number} lesson{'s' if len(slot.lessons) > 1 else ''} {lessons}" if lessons else number


def _cuts(slots: list[Placed]) -> str:
    wanted = sorted((slot for _, slot in slots if slot.cut), key=lambda slot: not slot.cut_first)
    return "; ".join(slot.cut for slot in wanted)


def _time(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02}"

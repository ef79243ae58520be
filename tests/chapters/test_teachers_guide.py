"""The table of costs in the teacher's guide says what notebooks and cards say."""

import re

from course_utils.chapters.placement import chapters
from course_utils.checks.framework import load_exercise

HEAD = "| chapter | reading | machine | exercise | points |\n|---|---|---|---|---|\n"


def row(chapter):
    points = sum(question.points for question in load_exercise(chapter.name).questions.values())
    return f"| {chapter.name} | {chapter.reading:.0f} | {chapter.running:.1f} | {chapter.exercise:.0f} | {points:g} |"


def test_the_table_of_costs_is_what_the_course_says(root):
    guide = (root / "solutions" / "README.md").read_text(encoding="utf-8")
    table = re.search(r"<!-- costs:begin -->\n(.*?)\n<!-- costs:end -->", guide, re.DOTALL)[1]
    wanted = HEAD + "\n".join(map(row, chapters()))
    assert table.splitlines() == wanted.splitlines(), f"put this table into solutions/README.md:\n\n{wanted}"


def test_the_timetable_has_every_chapter_and_fills_seven_hours(root):
    guide = (root / "solutions" / "README.md").read_text(encoding="utf-8")
    timetable = [line.split("|") for line in guide.splitlines() if re.match(r"\| \d+:\d\d \|", line)]
    assert sum(int(cells[2]) for cells in timetable) == 7 * 60
    named = set(re.findall(r"\b\d\d\b", " ".join(cells[4] for cells in timetable)))
    assert named >= {chapter.name[:2] for chapter in chapters()}
    minutes = 6 * 60
    for cells in timetable:
        hour, minute = map(int, cells[1].split(":"))
        assert hour * 60 + minute == minutes
        minutes += int(cells[2])

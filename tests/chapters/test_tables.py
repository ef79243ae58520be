"""Tables of chapters: the day fills seven hours, other tracks stand under their headings."""

import re

from course_utils.chapters import tables
from course_utils.chapters.chapter import TRACKS, Chapter, Lesson, Slot, Track, chapters

DAY = Chapter(
    "00_first",
    "First",
    "day",
    lessons=(Lesson("01_a.ipynb", "One", 119, 30), Lesson("02_b.ipynb", "Two", 119, 30)),
    exercise=20,
    points=12.5,
    has_exercise=True,
)
OTHER = Chapter("13_loops", "Loops", "training", lessons=(Lesson("01_c.ipynb", "Three", 0, 0),))


def rows(table):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


def test_the_day_is_every_chapter_of_its_track_in_seven_hours():
    members = tables.of_track(chapters(), "day")
    found = rows(tables.timetable(TRACKS["day"], members))
    assert sum(int(minutes) for _, minutes, *_ in found) == 7 * 60
    assert set(re.findall(r"\b\d\d\b", " ".join(row[3] for row in found))) == {
        each.number for each in members
    }
    assert [row[2] for row in found if row[2] != "break"] == list(TRACKS["day"].sections)
    clock = 6 * 60
    for time, minutes, *_ in found:
        hour, minute = map(int, time.split(":"))
        assert hour * 60 + minute == clock
        clock += int(minutes)


def placed(number, *slots):
    return Chapter(f"{number}_x", f"Chapter {number}", "training", slots=slots)


def test_a_track_without_sections_has_one_a_chapter_and_breaks_between():
    members = [placed("13", Slot(60)), placed("14", Slot(15, exercise=True)), placed("15", Slot(90)), OTHER]
    assert rows(tables.timetable(Track("T"), members)) == [
        ["0:00", "60", "Chapter 13", "13", ""],
        ["1:00", "15", "Chapter 14", "**14**", ""],
        ["1:15", "15", "break", "", ""],
        ["1:30", "90", "Chapter 15", "15", ""],
    ]


def test_slots_of_one_section_are_joined():
    first = placed("13", Slot(10, "B"), Slot(5, "A", lessons=(2,), cut="this"))
    second = placed("14", Slot(20, "A", lessons=(1, 3), exercise=True, cut="that", cut_first=True))
    assert rows(tables.timetable(Track("T", 60, ("A", "B")), [first, second])) == [
        ["1:00", "25", "A", "13 lesson 2, **14** lessons 1 and 3", "that; this"],
        ["1:25", "10", "B", "13", ""],
    ]


def test_only_tracks_with_slots_have_a_timetable():
    assert tables.other_timetables([DAY, OTHER]) == ""
    made = tables.other_timetables([DAY, OTHER, placed("14", Slot(15))])
    assert made.startswith("### Training in depth\n\n| from |") and made.count("###") == 1


def test_the_first_page_has_the_day_and_then_each_track_under_its_heading():
    head = "| chapter | read and run | then do |\n|---|---|---|\n"
    assert tables.index([DAY, OTHER]) == (
        head + "| 00 First | [1 One](00_first/01_a.ipynb)<br>[2 Two](00_first/02_b.ipynb) "
        "| [exercise 00](../exercises/00_first/00_first.ipynb) |\n\n"
        "### Training in depth\n\n" + head + "| 13 Loops | [1 Three](13_loops/01_c.ipynb) |  |"
    )


def test_the_hours_of_the_day_and_of_everything():
    day = Chapter("00_x", "X", "day", exercise=60, slots=(Slot(100, "A"), Slot(80, "B")))
    other = Chapter(
        "13_x", "X", "training", lessons=(Lesson("01_a.ipynb", "A", 119 * 60, 3600),), exercise=120
    )
    assert tables.together([day, other]) == (
        "The day in class: about 3 hours and its breaks. All lessons, read and run alone: about 2 hours. "
        "All exercises: 3 to 4 hours."
    )


def test_costs_are_minutes_and_points():
    assert rows(tables.costs([DAY, OTHER])) == [
        ["00_first", "2", "1.0", "20 to 30", "12.5"],
        ["13_loops", "0", "0.0", "0 to 0", "0"],
    ]

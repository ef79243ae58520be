"""A moment is read as what it says, or refused with what to write: never as another one."""

from datetime import UTC, datetime

import pytest

from course_utils.grading.gradebook.times import read_time, written

NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T09:00:00Z",
        "2026-11-20 09:00 UTC",
        "2026-11-20 09:00:00.000000 UTC",
        "2026-11-20T10:00+01:00",
        "2026-11-20 10:00 +0100",
        "2026-11-20 10:00:00 +01:00",
        "2026-11-20 10:00:00 Europe/Berlin",
        " 2026-11-20t04:00:00-05:00 ",
    ],
)
def test_one_moment_written_in_many_ways(text):
    assert read_time(text) == NINE
    assert written(read_time(text)) == "2026-11-20 09:00:00 UTC"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-11-20 10:00", "does not end with a time zone"),
        ("2026-11-20 10:00 PST", "does not end with a time zone"),
        ("05.11.2026", "does not end with a time zone"),
        ("05.11.2026 10:00 UTC", "no day and time as ISO 8601"),
        ("11/05/2026 10:00 +01:00", "no day and time as ISO 8601"),
        ("2026-11-20 UTC", "no day and time as ISO 8601"),
        ("2026-02-30 10:00 UTC", "no moment that there is"),
        ("2026-11-20 10:00 Mars/Olympus", "no moment that there is"),
        ("yesterday", "does not end with a time zone"),
        ("", "does not end with a time zone"),
    ],
)
def test_what_could_be_another_moment_is_refused_with_what_to_write(text, said):
    with pytest.raises(ValueError, match=said):
        read_time(text)

"""What time the Hub says it is."""

from __future__ import annotations

import datetime
import time

_FIRST, _LAST = -2_208_988_800, 253_402_300_799  # of the years 1900 and 9999


class Clock:
    """The real time, or one that stands still, so that equal work gives equal commit ids.

    start: None for the real time, or a text such as "2026-01-01T00:00:00Z". Nothing
    is before 1970, as git has it.
    """

    def __init__(self, start: str | None = None) -> None:
        self._start = None if start is None else max(int(parse(start)), 0)

    def now(self, after: int | None = None) -> int:
        """Whole seconds since 1970, UTC. A still clock lets every commit be one second `after` its parent."""
        if self._start is None:
            return max(int(time.time()), 0)
        return self._start if after is None else max(self._start, after + 1)


def parse(text: str) -> float:
    """Seconds since 1970 of a text in ISO 8601; without a zone it is UTC."""
    moment = datetime.datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()


def written(seconds: int) -> str:
    """The time as the Hub writes it, "2026-01-01T00:00:00.000Z"."""
    return moment(seconds).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def moment(seconds: int) -> datetime.datetime:
    """The time as Python has it; a commit from elsewhere may lie beyond the years that
    it knows, and gets the nearest.
    """
    return datetime.datetime.fromtimestamp(min(max(seconds, _FIRST), _LAST), datetime.UTC)

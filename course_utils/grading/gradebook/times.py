"""The moment at which something was handed in, as text: ISO 8601 with its zone, and nothing that could be two
moments.

A parser that guesses costs a learner points: nbgrader's reads `+0100` after a space as 100 seconds, drops
`PST`, and takes 05.11.2026 for the 11th of May.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

EXAMPLES = "2026-11-20T10:00:00+01:00 or 2026-11-20 09:00:00 UTC"
_ZONE = re.compile(r"\s*(Z|UTC|[+-]\d{2}:?\d{2}|\w+/[\w/+-]+)\Z", re.IGNORECASE)
_DAY_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?\Z", re.IGNORECASE)


def read_time(text: str) -> datetime:
    """A moment in UTC. `text` has day, time and zone: an offset, `Z`, `UTC` or a name such as Europe/Berlin.

    Raises `ValueError` that says what is missing, for whoever wrote the text.
    """
    text = text.strip()
    zone = _ZONE.search(text)
    if zone is None:
        raise ValueError(f"{text[:40]!r} does not end with a time zone; write {EXAMPLES}")
    local = text[: zone.start()]
    if not _DAY_AND_TIME.match(local):
        raise ValueError(f"{text[:40]!r} is no day and time as ISO 8601 has them; write {EXAMPLES}")
    name = zone[1]
    try:
        if "/" in name:
            return datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(name)).astimezone(UTC)
        return datetime.fromisoformat(local + (name if name[0] in "+-" else "+00:00")).astimezone(UTC)
    except (KeyError, ValueError, OverflowError, OSError) as error:
        raise ValueError(f"{text[:40]!r} is no moment that there is ({error})") from None


def written(time: datetime) -> str:
    """As nbgrader writes a moment: 2026-11-20 09:00:00 UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

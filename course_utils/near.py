"""What somebody may have meant by a name that is not known."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is most like this one; "" where none is much alike."""
    import difflib  # seldom needed, and every command begins here

    return next(iter(difflib.get_close_matches(name, list(known), n=1)), "")

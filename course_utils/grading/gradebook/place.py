"""Where a class's gradebook lies."""

from __future__ import annotations

from pathlib import Path

GRADEBOOK = "gradebook.db"


def database(out: Path) -> str:
    """The address of a class's gradebook, as nbgrader takes it."""
    return f"sqlite:///{out / GRADEBOOK}"


def why_no_class(out: Path) -> str:
    """What to say where a folder has no gradebook in it; "" where it has one."""
    if (out / GRADEBOOK).is_file():
        return ""
    return f"there is no gradebook in {out}; it is the folder given to `course grade --out`"

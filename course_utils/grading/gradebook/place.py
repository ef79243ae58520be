"""Where a class's gradebook lies."""

from __future__ import annotations

from pathlib import Path

GRADEBOOK = "gradebook.db"


def database(out: Path) -> str:
    """The address of a class's gradebook, as nbgrader takes it."""
    return f"sqlite:///{out / GRADEBOOK}"


def has_gradebook(out: Path) -> bool:
    """Whether a class has been graded in this folder."""
    return (out / GRADEBOOK).is_file()


def why_no_marks(out: Path) -> str:
    """What to say to whoever wants marks of a folder that has no gradebook in it; "" where it has one."""
    if has_gradebook(out):
        return ""
    return f"there is no gradebook in {out}; run `course grade … --out {out}` first"


def why_no_class(out: Path) -> str:
    """What to say of a folder taken for a class's that has no gradebook in it; "" where it has one."""
    if has_gradebook(out):
        return ""
    return f"there is no gradebook in {out}; it is the folder given to `course grade --out`"

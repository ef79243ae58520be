"""Texts from strangers, made fit for any file, page and terminal: one rule for
messages, outputs, prose and marks.
"""

from __future__ import annotations

TERMINAL = "\n\t\r\x1b"  # what a program's output is made of: lines, progress bars, colours


def printable(text: str, most: int | None = None, *, keep: str = "\n\t") -> str:
    """The text, in which nothing is an order to whatever shows it, cut at `most` characters with an ellipsis.

    A letter that can't be printed (a control character but for those in `keep`, half a character, a mark that
    turns a line's direction) is shown as U+FFFD.
    """
    if most is not None and len(text) > most:
        text = text[: most - 1] + "…"
    if text.isprintable():
        return text
    return "".join(
        letter if letter in keep or letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )

"""Lists that a person or a spreadsheet wrote: one way to read them all."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path


class Refused(ValueError):
    """A list or a package that is not taken in; the message says why."""


def read_list(path: Path, *columns: str) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, cells by column) of a CSV with these columns and perhaps others, as a person or a spreadsheet
    writes one: commas, semicolons or tabs; capital letters; empty lines. Raises `Refused`, naming the file.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise Refused(f"{path} is not in UTF-8; save it as CSV UTF-8") from None
    separator = max(",;\t", key=text.partition("\n")[0].count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    names = [name.strip().casefold() for name in next(rows, [])]
    if missing := [name for name in columns if name not in names]:
        raise Refused(f"{path} has no column {missing[0]!r}; it needs the columns {' and '.join(columns)}")
    for row in rows:
        if any(row):
            yield rows.line_num, dict.fromkeys(names, "") | {k: v.strip() for k, v in zip(names, row)}

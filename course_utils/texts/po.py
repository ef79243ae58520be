"""Catalogues of gettext: `.po` as people write it, `.mo` as the standard library's `gettext` reads it.

Only what this course needs of the format: no plurals, no contexts, UTF-8.
https://www.gnu.org/software/gettext/manual/html_node/PO-Files.html
"""

from __future__ import annotations

import ast
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

#: The flag of a text with fields in braces, as gettext calls it; in another text braces are braces.
FIELDS = "python-brace-format"
_MAGIC = 0x950412DE


@dataclass(frozen=True)
class TextEntry:
    """A text and its translation, "" where there is none. `places`: the modules where it stands."""

    text: str
    translation: str = ""
    fields: bool = False
    places: tuple[str, ...] = ()


def read(source: str) -> tuple[str, list[TextEntry]]:
    """(the header, the entries) of a `.po`; raises `ValueError` with the line that cannot be read."""
    header, entries = "", []
    for found in _blocks(source):
        if found.text:
            entries.append(found)
        elif "Content-Type" in found.translation:
            header = found.translation
    return header, entries


def _blocks(source: str) -> Iterator[TextEntry]:
    said: dict[str, str] = {}
    part, comments = "", list[str]()
    for number, line in enumerate([*source.splitlines(), ""], 1):
        try:
            if not line.strip():
                if said:
                    yield _entry(said, comments)
                said, comments = {}, []
            elif line.startswith("#"):
                comments.append(line)
            else:
                if not line.startswith('"'):
                    part, line = line.split(" ", 1)
                    if part not in ("msgid", "msgstr") or part in said:
                        raise ValueError(part)
                said[part] = said.get(part, "") + ast.literal_eval(line.strip())
        except (ValueError, SyntaxError, TypeError, KeyError):
            raise ValueError(f"line {number} is not understood: {line[:60]!r}") from None


def _entry(said: dict[str, str], comments: list[str]) -> TextEntry:
    places = tuple(place for line in comments if line.startswith("#:") for place in line[2:].split())
    flags = [line for line in comments if line.startswith("#,")]
    return TextEntry(said["msgid"], said["msgstr"], any(FIELDS in line for line in flags), places)


def write(header: str, entries: Iterable[TextEntry]) -> str:
    """The same as text, in the order of the entries."""
    blocks = [f'msgid ""\nmsgstr {_quoted(header)}\n']
    for entry in entries:
        places = "".join(f"#: {place}\n" for place in entry.places)
        flag = f"#, {FIELDS}\n" if entry.fields else ""
        blocks.append(f"{places}{flag}msgid {_quoted(entry.text)}\nmsgstr {_quoted(entry.translation)}\n")
    return "\n".join(blocks)


def _quoted(text: str) -> str:
    lines = text.splitlines(keepends=True)
    quoted = [f'"{_escaped(line)}"' for line in lines]
    return "\n".join(['""', *quoted]) if len(lines) > 1 else (quoted or ['""'])[0]


def _escaped(line: str) -> str:
    return line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")


def compiled(header: str, entries: Iterable[TextEntry]) -> bytes:
    """The `.mo` of what is translated: a table of texts, sorted, and one of translations.

    https://www.gnu.org/software/gettext/manual/html_node/MO-Files.html
    """
    pairs = {"": header} | {each.text: each.translation for each in entries if each.translation}
    texts = sorted((text.encode(), said.encode()) for text, said in pairs.items())
    start, tables, data = 28 + 16 * len(texts), [b"", b""], b""
    for which in (0, 1):
        for pair in texts:
            tables[which] += struct.pack("<II", len(pair[which]), start + len(data))
            data += pair[which] + b"\0"
    head = struct.pack("<7I", _MAGIC, 0, len(texts), 28, 28 + 8 * len(texts), 0, 0)
    return head + tables[0] + tables[1] + data

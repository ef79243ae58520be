"""An exercise's own texts in another language: a catalogue each, `exercises/LANGUAGE.po`.

A text is a paragraph of a markdown cell that a learner is given; a heading, a list or a table is one too.
What is in fences is none. Answer cells and all code stay as they are, comments and docstrings among them:
whether a learner has worked on a cell is told by comparing it with what was released.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from course_utils.install import ROOT
from course_utils.learners import INSTRUCTOR_TAG
from course_utils.texts import po
from course_utils.texts.catalogue import FOLDER
from course_utils.texts.po import TextEntry

CATALOGUES = FOLDER / "exercises"
TEMPLATE = "exercises.pot"
#: The exercises whose texts are gathered.
EXERCISES = ("00_start_here",)
_NO_TEXT = re.compile(r"(\n*^[ \t]*```[\s\S]*?^[ \t]*```[^\n]*\n*|\n(?:[ \t]*\n)+|\n+\Z)", re.MULTILINE)
_NAME = re.compile(r"^Language-Team: (.+)$", re.MULTILINE)
_KEPT = re.compile(r"`[^`]+`|\]\([^)]+\)|^#+ |^- |^\|", re.MULTILINE)  # code, links, and what makes a form


@dataclass(frozen=True)
class Tongue:
    """A language of exercises. `name`: what English calls it; `said`: its translations, by text."""

    code: str
    name: str
    said: Mapping[str, str]

    def source(self, english: str) -> str:
        """A markdown source in this language; what has no translation stays as it is."""
        return "".join(self.said.get(piece, piece) for piece in _NO_TEXT.split(english))

    def notebook(self, data: bytes) -> tuple[bytes, int, int]:
        """(a released notebook in this language, how many of its texts are, how many it has). One whose title
        has no translation stays as it is, though a line that it shares with others may have one.
        """
        notebook = json.loads(data)
        found = list[str]()
        for cell in given_markdown(notebook):
            english = "".join(cell["source"])
            found += texts(english)
            cell["source"] = self.source(english).splitlines(keepends=True)
        if not found or found[0] not in self.said:
            return data, 0, len(found)
        said = sum(text in self.said for text in found)
        return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode(), said, len(found)


def codes() -> list[str]:
    """The languages that there is a catalogue of exercises for."""
    return sorted(path.stem for path in CATALOGUES.glob("*.po"))


@cache
def tongue(code: str) -> Tongue:
    """The language of that name. Raises `LookupError` where it has no catalogue."""
    if code not in codes():
        raise LookupError(f"there are no exercises in the language {code!r}, but in {', '.join(codes())}")
    header, entries = po.read((CATALOGUES / f"{code}.po").read_text(encoding="utf-8"))
    name = _NAME.search(header)
    said = {each.text: each.translation for each in entries if each.translation}
    return Tongue(code, name[1] if name else code, said)


@cache
def versions(english: str) -> frozenset[str]:
    """A markdown source in every language, English too."""
    return frozenset({english, *(tongue(code).source(english) for code in codes())})


def texts(source: str) -> list[str]:
    """The texts of a markdown source, in its order."""
    return [piece for piece in _NO_TEXT.split(source)[::2] if piece.strip()]


def given_markdown(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The cells whose texts are translated: markdown that is neither an answer nor for instructors."""
    for cell in notebook["cells"]:
        known = cell["metadata"]
        if (
            cell["cell_type"] == "markdown"
            and "nbgrader" not in known
            and INSTRUCTOR_TAG not in known.get("tags", [])
        ):
            yield cell


def gathered(root: Path = ROOT) -> list[TextEntry]:
    """The texts of `EXERCISES`, each once, with the cells where it stands."""
    places: dict[str, list[str]] = {}
    for name in EXERCISES:
        notebook = json.loads((root / "solutions" / name / f"{name}.ipynb").read_text(encoding="utf-8"))
        for cell in given_markdown(notebook):
            for text in texts("".join(cell["source"])):
                places.setdefault(text, []).append(f"{name}/{cell['id']}")
    return [TextEntry(text, places=tuple(dict.fromkeys(found))) for text, found in places.items()]


def faults(entry: TextEntry) -> Iterator[str]:
    """What is wrong with a translation: code, links and the form of a paragraph have to be its text's."""
    if not entry.translation:
        return
    wanted, got = (Counter(_KEPT.findall(each)) for each in (entry.text, entry.translation))
    for what in (wanted - got) | (got - wanted):
        where = "its text" if wanted[what] > got[what] else "its translation"
        yield f"{entry.text[:40]!r}: {what!r} stands in {where} only, or more often there"
    if len(texts(entry.translation)) != 1:
        yield f"{entry.text[:40]!r}: its translation is more than one paragraph"

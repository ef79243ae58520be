"""`say`: a text for people in the language that `COURSE_LANGUAGE` names, English where it names none.

Whoever judges an answer writes English, and what is stored stays English: marks, journals and tables are the
same whatever a learner reads. Only where a text is shown is it looked up, whole or as a text with fields: of
"`count` to hold 3 items" the catalogue knows "{what} to hold {count} items", and what stands in the fields is
looked up in turn. So a translation is data that no check sees.
"""

from __future__ import annotations

import ast
import contextlib
import contextvars
import gettext
import io
import os
import re
import string
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from course_utils.texts import po

VARIABLE = "COURSE_LANGUAGE"
ENGLISH = "en"
FOLDER = Path(__file__).resolve().parent
_DEEPEST = 4  # fields in fields in fields
EITHER = " or "
_VALUE = re.compile(r"['\"(\[{\d-]|(?:None|True|False)\b")  # as a value begins that Python shows
_spoken: contextvars.ContextVar[str | None] = contextvars.ContextVar("spoken", default=None)

_ERROR = re.compile(r"[A-Z]\w*: ")


def languages() -> list[str]:
    """The languages that there is a catalogue for, and English."""
    return sorted({ENGLISH, *(path.stem for path in FOLDER.glob("*.po"))})


def language() -> str:
    """The language that texts are shown in now: `de` where it is "de", "de_DE" or "de_DE.UTF-8"."""
    wanted = _spoken.get() or os.environ.get(VARIABLE, "")
    found = wanted.replace("-", "_").partition("_")[0].partition(".")[0].casefold()
    return found if found in languages() else _unknown(wanted)


@cache
def _unknown(wanted: str) -> str:
    if wanted:
        print(f"{VARIABLE}={wanted}: there are {', '.join(languages())}; this is English", file=sys.stderr)
    return ENGLISH


@contextlib.contextmanager
def speaking(wanted: str) -> Iterator[None]:
    """Another language for a while; what is stored is written in English."""
    token = _spoken.set(wanted)
    try:
        yield
    finally:
        _spoken.reset(token)


def say(text: str) -> str:
    """An English text in the language that texts are shown in; itself where that has no words for it."""
    spoken = language()
    return text if spoken == ENGLISH else _said(text, catalogue(spoken), _DEEPEST)


@dataclass(frozen=True)
class Template:
    """A text with fields, as what stands between these: one more than there are fields. `values`: which
    fields show a value as Python writes it ("{key!r}").
    """

    text: str
    between: tuple[str, ...]
    names: tuple[str, ...]
    values: frozenset[str]

    @classmethod
    def of(cls, text: str) -> Template:
        """Read from a text in the form of `str.format`; raises `ValueError` where it is none."""
        between, names, values = [""], list[str](), set[str]()
        for literal, name, form, conversion in string.Formatter().parse(text):
            between[-1] += literal
            if name is not None:
                if not name.isidentifier() or form or conversion not in (None, "r") or name in names:
                    raise ValueError(f"{text!r} has a field that is no name of its own: {name!r}")
                names.append(name)
                between.append("")
                values |= {name} if conversion else set()
        return cls(text, tuple(between), tuple(names), frozenset(values))

    def fields(self, text: str) -> dict[str, str] | None:
        """What stands in the fields, each as short as can be; None where the text is another one.

        Each part is looked for once, from left to right, so a long text from a learner costs no more.
        """
        first, *inner, last = self.between
        end = len(text) - len(last)
        if not (text.startswith(first) and text.endswith(last) and len(first) <= end):
            return None
        found, begin = list[str](), len(first)
        for part in inner:
            place = text.find(part, begin, end)
            if place < 0:
                return None
            found.append(text[begin:place])
            begin = place + len(part)
        fields = dict(zip(self.names, [*found, text[begin:end]], strict=True))
        return fields if all(_VALUE.match(fields[name]) for name in self.values) else None

    def with_fields(self, fields: Mapping[str, str]) -> str:
        """The text with this in its fields."""
        filled = [piece for before, name in zip(self.between, self.names) for piece in (before, fields[name])]
        return "".join([*filled, self.between[-1]])


@dataclass(frozen=True)
class Catalogue:
    """A language: what it says by text, and its texts with fields, the most definite first."""

    known: gettext.GNUTranslations
    texts: frozenset[str]
    templates: tuple[Template, ...]


@cache
def catalogue(name: str) -> Catalogue:
    """The catalogue of a language, its `.mo` made from the `.po` here and now."""
    header, entries = po.read((FOLDER / f"{name}.po").read_text(encoding="utf-8"))
    known = gettext.GNUTranslations(io.BytesIO(po.compiled(header, entries)))
    translated = [each for each in entries if each.translation]
    templates = [Template.of(each.text) for each in translated if each.fields]
    return Catalogue(
        known,
        frozenset(each.text for each in translated if not each.fields),
        tuple(sorted(templates, key=_rank)),
    )


def _rank(template: Template) -> tuple[bool, int]:
    """What is expected of a thing comes before the thing's name, and the longer text before the shorter."""
    return not template.text.startswith("{what} to "), -len("".join(template.between))


def _is_foreign(text: str) -> bool:
    """Whether a text is a value or an error of somebody's code, whose words are not ours to translate."""
    if _ERROR.match(text) or (text.endswith("…") and _VALUE.match(text)):
        return True
    try:
        ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
    return True


def _said(text: str, known: Catalogue, depth: int) -> str:
    if text in known.texts:
        return known.known.gettext(text)
    head, colon, tail = text.partition(": ")
    if colon and head in known.texts:
        return f"{known.known.gettext(head)}: {_said(tail, known, depth)}"
    if _is_foreign(text):
        return text
    if EITHER in text and all(each in known.texts for each in text.split(EITHER)):
        return known.known.gettext(EITHER).join(map(known.known.gettext, text.split(EITHER)))
    for template in known.templates if depth else ():
        if (fields := template.fields(text)) is not None:
            inner = {name: _said(each, known, depth - 1) for name, each in fields.items()}
            return Template.of(known.known.gettext(template.text)).with_fields(inner)
    return text

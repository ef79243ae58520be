"""`course texts`: the texts that learners may read, gathered from the code, and the catalogues of languages.

`course.pot` holds them all; a `.po` keeps its translations and takes new texts in, without one. What counts
are strings of two words at least, f-strings with a word beside their fields, and what stands where a title or
a hint does; not markup, nor what only authors are told. A text that is never shown stays without translation.
What stands in the notebooks of exercises has catalogues of its own, in `exercises/`: see `markdown`.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from course_utils.files import write_whole
from course_utils.texts import markdown, po
from course_utils.texts.catalogue import EITHER, FOLDER, Template
from course_utils.texts.po import TextEntry

PACKAGE = FOLDER.parent
TEMPLATE = "course.pot"
#: What the framework says, and the exercises whose texts are gathered.
SOURCES = (
    "checks/render.py",
    "checks/report.py",
    "checks/framework.py",
    "checks/expect.py",
    "checks/learner/progress.py",
    "wire/answer.py",
    "grading/gradebook/learners_page.py",
    "grading/gradebook/attempts.py",
    "checks/chapters/start_here.py",
)
HEADER = "Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n"
_SHORT = {"title", "difficulty", "cost", "hints"}  # arguments that are texts, however short
_CALLS = {"part", "say"}  # what takes such a text first
_AUTHORS = {"ValueError", "TypeError", "KeyError", "LookupError"}
_WORDS = re.compile(r"(?<!\w)[^\W\d_]+[,:;.]? [^\W\d_]{2,}")
_WORD = re.compile(r"(?:^|[ (])[a-z]{2,}(?:[ ,:;]|$)")
_FIELD = re.compile(r"\{\w+(?:!r)?\}")
_MARKUP = re.compile(r"</?\w+[ >]|\dpx|^#?lessons?/|^#\w|\\w")


def texts(path: Path) -> Iterator[TextEntry]:
    """The texts of a module, in its order."""
    tree = _ForLearners().visit(ast.parse(path.read_text(encoding="utf-8")))
    short = {id(node) for node in ast.walk(tree) for node in _where_texts_are(node)}
    place = path.relative_to(PACKAGE).as_posix()
    for node in _strings(tree):
        text, fields = _as_text(node)
        if not _MARKUP.search(text) and (
            _WORDS.search(text)
            or text == EITHER
            or (fields and _WORD.search(_FIELD.sub("", text)))
            or (id(node) in short and re.search(r"[^\W\d_]{2}", text))
        ):
            yield TextEntry(text, fields=fields, places=(place,))


class _ForLearners(ast.NodeTransformer):
    """Takes out docstrings, and what is said to authors when they have made a mistake."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST | None:
        kind = getattr(getattr(node.exc, "func", None), "id", "")
        return None if kind in _AUTHORS else self.generic_visit(node)


def _where_texts_are(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes that are texts for people by where they stand."""
    if isinstance(node, ast.Call):
        yield from (child for each in node.keywords if each.arg in _SHORT for child in ast.walk(each.value))
        if getattr(node.func, "id", "") in _CALLS and node.args:
            yield from ast.walk(node.args[0])
    if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "enum.Enum" for base in node.bases):
        yield from ast.walk(node)


def _strings(node: ast.AST) -> Iterator[ast.Constant | ast.JoinedStr]:
    """Strings and f-strings, also those in the fields of an f-string, but not the pieces of its own text."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.JoinedStr):
            yield child
            for each in child.values:
                if isinstance(each, ast.FormattedValue):
                    yield from _strings(ast.Expression(each.value))
        elif isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child
        else:
            yield from _strings(child)


def _as_text(node: ast.Constant | ast.JoinedStr) -> tuple[str, bool]:
    """(the text, whether it has fields). A field is called as what stands in it."""
    if isinstance(node, ast.Constant):
        text = str(node.value)
        return (text.replace("{}", "{text}"), True) if text.count("{}") == 1 else (text, False)
    text, names = "", list[str]()
    for each in node.values:
        if isinstance(each, ast.Constant):
            text += str(each.value).replace("{", "{{").replace("}", "}}")
        elif isinstance(each, ast.FormattedValue):
            names.append(_name(each.value, names))
            text += f"{{{names[-1]}{'!r' if each.conversion == ord('r') else ''}}}"
    if names:
        return text, True
    return text.replace("{{", "{").replace("}}", "}"), False


def _name(value: ast.expr, taken: list[str]) -> str:
    plain = value.id if isinstance(value, ast.Name) else getattr(value, "attr", "") or "text"
    free = (f"{plain}{number}" for number in range(2, len(taken) + 3))
    return plain if plain not in taken else next(name for name in free if name not in taken)


def gathered(paths: Iterable[Path]) -> list[TextEntry]:
    """The texts of modules, each once, with all its places."""
    found: dict[tuple[str, bool], TextEntry] = {}
    for path in paths:
        for entry in texts(path):
            key = (entry.text, entry.fields)
            places = found[key].places if key in found else ()
            found[key] = TextEntry(
                entry.text, "", entry.fields, tuple(dict.fromkeys([*places, *entry.places]))
            )
    return list(found.values())


def merged(source: str, entries: Iterable[TextEntry]) -> str:
    """A `.po` brought up to these texts: translations of texts that are no more go."""
    header, before = po.read(source)
    known = {(each.text, each.fields): each.translation for each in before}
    return po.write(
        header,
        [
            TextEntry(each.text, known.get((each.text, each.fields), ""), each.fields, each.places)
            for each in entries
        ],
    )


def derived() -> dict[Path, str]:
    """The files as they should be."""
    of_code = gathered(PACKAGE / name for name in SOURCES)
    return _catalogues(FOLDER / TEMPLATE, of_code) | _catalogues(
        markdown.CATALOGUES / markdown.TEMPLATE, markdown.gathered()
    )


def _catalogues(template: Path, entries: list[TextEntry]) -> dict[Path, str]:
    """A template with these texts, and the languages that lie beside it."""
    languages = sorted(template.parent.glob("*.po"))
    return {template: po.write(HEADER, entries)} | {
        path: merged(path.read_text(encoding="utf-8"), entries) for path in languages
    }


def faults(entry: TextEntry) -> Iterator[str]:
    """What is wrong with a translation: it must have the fields of its text, and nothing else in braces."""
    if not entry.translation or not entry.fields:
        return
    try:
        wanted, got = (
            sorted(Template.of(each).names) for each in (entry.text, entry.translation.replace("!r}", "}"))
        )
    except ValueError as error:
        yield str(error)
        return
    if wanted != got:
        yield f"{entry.translation!r} has the fields {got}, and its text {wanted}"


def main(argv: list[str] | None = None) -> int:
    """The `course texts` command; exit code 1 with `--check` where a file is not as it should be."""
    parser = argparse.ArgumentParser(prog="course texts", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, and only compare")
    options = parser.parse_args(argv)
    stale = {
        path: text
        for path, text in derived().items()
        if not path.is_file() or path.read_text("utf-8") != text
    }
    for path, text in stale.items():
        if not options.check:
            write_whole(path, text)
        print(f"{'is not as the code has it' if options.check else 'written'}: {path}")
    for path in sorted([*FOLDER.glob("*.po"), *markdown.CATALOGUES.glob("*.po")]):
        _, entries = po.read(path.read_text(encoding="utf-8"))
        done = sum(bool(each.translation) for each in entries)
        name = path.relative_to(FOLDER).with_suffix("").as_posix()
        print(f"{name}: {done} of {len(entries)} texts have a translation")
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())

"""What must never be on the site: solutions, instructors' notes, hints; and how it is looked for."""

import json
import re
import zlib
from html.parser import HTMLParser
from types import SimpleNamespace

from course_utils.checks.framework import load_exercise
from course_utils.site import pages

ENOUGH_WORDS = 5  # of a line or sentence, to be somebody's own
LONG = 8  # letters of a word that is looked for by itself
#: A lesson's own cell, which the exercise asks for once more
AS_IN_A_LESSON = {"06_full_fine_tuning q1-answer"}
LONGEST = 20_000  # letters of a text; pictures are longer


def words(text):
    """A text as its words with one space between them: markup, typography and layout do not matter."""
    return " ".join(["", *re.findall(r"\w+", text.lower()), ""])


def cells(path):
    """The cells of a notebook: kind ("note", "solution" or ""), id, source, and what they print."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        metadata = cell["metadata"]
        note = "instructor" in metadata.get("tags", [])
        solution = metadata.get("nbgrader", {}).get("solution", False)
        kind = "note" if note else "solution" if solution else ""
        yield SimpleNamespace(
            kind=kind,
            id=cell["id"],
            source="".join(cell["source"]),
            printed="\n".join(_strings(cell.get("outputs", []))),
        )


def public_text(root):
    """Everything that a reader may see: lessons and released exercises without notes, and the documents."""
    notebooks = [*root.glob("lessons/**/*.ipynb"), *root.glob("exercises/*/*.ipynb")]
    shown = [cell.source for path in notebooks for cell in cells(path) if cell.kind != "note"]
    documents = [root / file.partition("#")[0] for file in pages.DOCUMENTS if "solutions/" not in file]
    return words("\n".join([*shown, *(path.read_text(encoding="utf-8") for path in documents)]))


def printed_text(root):
    """What the lessons' cells print: errors' names, say, which a solution catches and no lesson writes."""
    notebooks = root.glob("lessons/**/*.ipynb")
    return words("\n".join(cell.printed for path in notebooks for cell in cells(path) if cell.kind != "note"))


def secrets(root):
    """where -> the source that is secret: solutions, notes and hints."""
    found = {}
    for path in sorted(root.glob("solutions/*/*.ipynb")):
        found |= {f"{path.stem} {cell.id}": cell.source for cell in cells(path) if cell.kind}
        for question in load_exercise(path.stem).questions.values():
            found |= {
                f"{path.stem} {question.name} hint {n}": hint for n, hint in enumerate(question.hints, 1)
            }
    for path in sorted(root.glob("lessons/**/*.ipynb")):
        found |= {f"{path.stem} {cell.id}": cell.source for cell in cells(path) if cell.kind == "note"}
    return found


def distinctive(sources, public):
    """where -> what stands nowhere in the public text, as words: lines and sentences, and a solution as a whole."""
    found = {}
    for where, source in sources.items():
        wholes = re.findall(r"### BEGIN SOLUTION(.*?)### END SOLUTION", source, re.DOTALL)
        parts = [words(part) for part in [*re.split(r"\n|(?<=[.?!])\s", source), *wholes]]
        found[where] = [part for part in parts if len(part.split()) >= ENOUGH_WORDS and part not in public]
    return found


def stem(word):
    """What is left of a long word in a search index at least."""
    return word[: max(LONG, len(word) - 4)]


def secret_words(sources, public):
    """Beginnings of long words with which no word of the public text begins."""
    found = {word for source in sources.values() for word in words(source).split() if len(word) > LONG}
    return {stem(word) for word in found if f" {stem(word)}" not in public}


class _Text(HTMLParser):
    """All that a page holds: text, attributes and comments, as it would be read."""

    def __init__(self):
        super().__init__()
        self.parts = []

    def handle_starttag(self, tag, attrs):
        self.parts += [
            f"\n{value}\n" for name, value in attrs if value and name not in ("class", "id", "href")
        ]

    def handle_data(self, data):
        self.parts.append(data)

    handle_comment = handle_data


def built_text(folder):
    """file -> its words, of all that can be read in a built site."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in (".png", ".svg"):
            found[path.relative_to(folder).as_posix()] = words(_read(path))
    return found


def _read(path):
    data = path.read_bytes()
    if path.suffix == ".inv":
        return zlib.decompress(data.split(b"\n", 4)[4]).decode()
    if path.suffix != ".html":
        return data.decode()
    page = _Text()
    page.feed(data.decode())
    page.close()
    return "".join(page.parts)


def page_text(name, text):
    """The words of a page as Sphinx gets it; of a notebook, of all the texts in it."""
    return words("\n".join(_strings(json.loads(text))) if name.endswith(".ipynb") else text)


def _strings(value):
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)
    elif isinstance(value, str) and len(value) < LONGEST:
        yield value


def leaks(texts, lines):
    """Sentences that name each secret line found in a text, and where."""
    return [
        f"{file}: {part.strip()!r} of {where}"
        for where, parts in lines.items()
        for part in parts
        for file, text in texts.items()
        if part in text
    ]


def index_terms(folder):
    """The words in the search index."""
    text = (folder / "searchindex.js").read_text(encoding="utf-8")
    return set(re.findall(r"\w+", text.lower()))


def leaked_words(terms, secret):
    return sorted(
        term for term in terms if len(term) >= LONG and any(term.startswith(each) for each in secret)
    )

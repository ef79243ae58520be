"""`course chapters [--check]`: write, or compare, every file that is made from others.

DERIVED is the whole list. Prose that people write stays where it is: in a file that holds both,
what is made stands between two comments, `<!-- costs:begin -->` and `<!-- costs:end -->`.
Exercises have a command of their own,
`course release`.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from course_utils.bench import phenomena
from course_utils.chapters import first_cell, model_cards, tables
from course_utils.chapters.chapter import TRACKS, ChapterError, chapters
from course_utils.install import ROOT
from course_utils.models.registry import MODELS

DIFFERENCE_LINES = 40
INDEX, GUIDE, README = "lessons/index.ipynb", "solutions/README.md", "README.md"


class DerivedError(Exception):
    """A file that cannot be made; the message says what to do."""


def index_page(root: Path) -> str:
    """The first page: its hours and its table are made from `chapter.toml`, notebooks and cards."""
    notebook, known = json.loads(_read(root, INDEX)), chapters(root)
    for name, made in (("hours", tables.together(known)), ("chapters", tables.index(known))):
        _put_into_a_cell(notebook, name, made)
    return _with_first_cell(INDEX, notebook)


def notebook(name: str, root: Path) -> str:
    """A lesson or a solution: how its first code cell begins is the same in all."""
    return _with_first_cell(name, json.loads(_read(root, name)))


def _with_first_cell(name: str, notebook: dict) -> str:
    try:
        first_cell.begin(notebook)
    except first_cell.FirstCellError as error:
        raise DerivedError(f"{name}: {error}") from None
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _put_into_a_cell(notebook: dict, name: str, made: str) -> None:
    """`put` for the first cell that has the place."""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if _marked(name).search(source):
            cell["source"] = put(INDEX, source, name, made).splitlines(keepends=True)
            return
    raise _without_place(INDEX, name)


def teachers_guide(root: Path) -> str:
    """The teacher's guide: costs from notebooks and cards, timetables from the slots in `chapter.toml`."""
    known = chapters(root)
    text = put(GUIDE, _read(root, GUIDE), "costs", tables.costs(known))
    text = put(GUIDE, text, "day", tables.timetable(TRACKS["day"], tables.of_track(known, "day")))
    return put(GUIDE, text, "tracks", tables.other_timetables(known))


def readme(root: Path) -> str:
    """The README: its table of phenomena is what `course bench phenomena --save` kept."""
    return put(README, _read(root, README), "phenomena", phenomena.as_markdown(phenomena.saved_rows()))


def model_card(name: str, root: Path) -> str:
    """The card of a model that comes with the workbook, from its training record and the phenomena."""
    return model_cards.card(name)


#: derived file, from the root of the workbook -> the function that makes its text, given that root;
#: notebooks come besides (`derived_files`)
DERIVED: dict[str, Callable[[Path], str]] = {
    INDEX: index_page,
    GUIDE: teachers_guide,
    README: readme,
    **{f"course_utils/models/assets/{name}/README.md": partial(model_card, name) for name in MODELS},
}


def derived_files(root: Path) -> dict[str, Callable[[Path], str]]:
    """`DERIVED`, and every notebook that people write: of those only the first cell's beginning is made."""
    found = [path for place in ("lessons", "solutions") for path in sorted(root.glob(f"{place}/*/*.ipynb"))]
    names = [path.relative_to(root).as_posix() for path in found]
    return DERIVED | {name: partial(notebook, name) for name in names}


def _marked(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- {name}:begin -->\n).*?(<!-- {name}:end -->)", re.DOTALL)


def put(file: str, text: str, name: str, made: str) -> str:
    """`text` of a file with `made` between its comments `name:begin` and `name:end`.

    Raises `DerivedError` where they are missing.
    """
    text, count = _marked(name).subn(lambda found: found[1] + (made + "\n" if made else "") + found[2], text)
    if count != 1:
        raise _without_place(file, name)
    return text


def _without_place(file: str, name: str) -> DerivedError:
    return DerivedError(
        f"{file} has no place for what is made: put the lines <!-- {name}:begin --> and <!-- {name}:end --> "
        "where it belongs."
    )


def _read(root: Path, file: str) -> str:
    try:
        return (root / file).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DerivedError(f"{file} is not in {root}. Run this in a clone of the workbook.") from None


def outdated(root: Path = ROOT) -> dict[str, tuple[str, str]]:
    """derived file -> its text as it is ("" where it is missing) and as it would
    be made; only those that differ.
    """
    found = {}
    for file, make in derived_files(root).items():
        kept = (root / file).read_text(encoding="utf-8") if (root / file).exists() else ""
        made = make(root)
        if made != kept:
            found[file] = kept, made
    return found


def main(argv: list[str] | None = None) -> int:
    """The `course chapters` command."""
    parser = argparse.ArgumentParser(
        prog="course chapters",
        description="Write what is made from chapter.toml, notebooks, cards and measurements.",
        epilog=f"Made are: {', '.join(DERIVED)}, and how the first code cell of each notebook begins.",
    )
    parser.add_argument("--check", action="store_true", help="only compare; exit code 1 if a file differs")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    try:
        return _check(options.root) if options.check else _write(options.root)
    except (ChapterError, DerivedError) as error:
        print(f"course chapters: {error}", file=sys.stderr)
        return 1


def _write(root: Path) -> int:
    changed = outdated(root)
    for file, (_, made) in changed.items():
        (root / file).write_text(made, encoding="utf-8", newline="\n")
        print(f"wrote {file}")
    count = len(derived_files(root))
    print(f"{count - len(changed)} of {count} derived files were up to date")
    return 0


def _check(root: Path) -> int:
    changed = outdated(root)
    for file, (kept, made) in changed.items():
        print("\n".join(_difference(file, kept, made)))
    if changed:
        print(f"\n{', '.join(changed)}: not what is made now; run `course chapters` and commit the result.")
        return 1
    print(f"{len(derived_files(root))} derived files are up to date")
    return 0


def _difference(file: str, kept: str, made: str) -> list[str]:
    names = f"{file} (as it is)", f"{file} (as made)"
    lines = list(difflib.unified_diff(kept.splitlines(), made.splitlines(), *names, lineterm="", n=0))
    return lines[:DIFFERENCE_LINES] + (["..."] if len(lines) > DIFFERENCE_LINES else [])


if __name__ == "__main__":
    sys.exit(main())

"""Put what a learner wrote into the released notebook: answers, added cells, changes of given cells.

Cells are matched by their id, then by nbgrader's metadata, then by what the release says, and what then is
left between two matched cells (a question and its check cell, say) by the names that it makes. The released
notebook is the frame: its order, ids and metadata stay, and its own code stands where the learner's is
gone. Cells that match nothing stand behind the one that they followed.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from course_utils.cells import as_python
from course_utils.checks.framework import Exercise, load_exercise
from course_utils.grading.run.defused import defused
from course_utils.grading.run.reading import Cell, NeedsAPerson, conflict_in
from course_utils.texts import markdown

MOST_ADDED = 500  # cells of a learner's own
_NAMED = re.compile(r"""\bexercise\s*=\s*["'](\d\d_\w+)["']""")


@dataclass
class Placed:
    """A cell of the notebook as it is run.

    `given`: the release's code, where a changed copy of it stands in the cell. `added`: a cell of the
    learner's own. `answer`: an answer cell; `found`: whether the submission has it; `worked_on`:
    whether it is another than was released. `makes`: names that the released cell makes.
    """

    cell: NotebookNode
    given: str | None = None
    added: bool = False
    answer: bool = False
    found: bool = True
    worked_on: bool = False
    makes: frozenset[str] = frozenset()


@dataclass
class _Match:
    """Which submitted cells are which released one, by their numbers."""

    released: list[NotebookNode]
    submitted: list[Cell]
    of: dict[int, int] = field(default_factory=dict)

    def found(self) -> set[int]:
        return set(self.of.values())

    @cached_property
    def copies(self) -> dict[int, list[int]]:
        """The submitted cells that are each released one, in their order; once all are matched."""
        found: dict[int, list[int]] = {}
        for mine, its in sorted(self.of.items()):
            found.setdefault(its, []).append(mine)
        return found

    @cached_property
    def primary(self) -> dict[int, int]:
        """Of the copies of each released cell the learner's own: the one with its id if that
        was worked on, else the last that was; none if none was.
        """
        found = {}
        for its, copies in self.copies.items():
            released = self.released[its]
            worked_on = [mine for mine in copies if _other(self.submitted[mine].source, released.source)]
            named = [mine for mine in worked_on if released.get("id") in self.submitted[mine].ids]
            if worked_on:
                found[its] = (named or worked_on)[-1]
        return found

    def open(self) -> list[int]:
        """The released cells that nothing is matched with."""
        found = self.found()
        return [number for number in range(len(self.released)) if number not in found]

    def in_order(self) -> list[tuple[int, int]]:
        """The most matches (submitted, released) of which both numbers grow: whatever else was moved."""
        ends: list[int] = []  # the smallest released number that ends a row of each length
        rows: list[tuple[int, int, int | None]] = []
        last: list[int] = []
        for mine, its in sorted(self.of.items()):
            length = bisect_left(ends, its)
            before = last[length - 1] if length else None
            rows.append((mine, its, before))
            ends[length : length + 1], last[length : length + 1] = [its], [len(rows) - 1]
        found, row = [], last[-1] if last else None
        while row is not None:
            mine, its, row = rows[row]
            found.append((mine, its))
        return found[::-1]


def is_answer(cell: NotebookNode) -> bool:
    """Whether a released cell is one that a learner answers in."""
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def is_given(cell: NotebookNode) -> bool:
    """Whether a released cell is code that the learner is given, and may change."""
    return cell.cell_type == "code" and "nbgrader" not in cell.metadata


def place(released: NotebookNode, submitted: list[Cell], exercise: Exercise | None = None) -> list[Placed]:
    """The notebook to run: the released cells with the learner's in their places.

    Raises `NeedsAPerson` where the submission is not of this exercise, or is in conflict with itself.
    """
    match = _Match(released.cells, submitted)
    _by_name(match)
    _by_source(match)
    _recognize(match, exercise)
    _by_place(match)
    return list(_laid_out(match))


def not_taken(steps: list[Placed]) -> list[str]:
    """What a learner should hear before handing in, in sentences: answer cells that are gone, cells that are
    one too many.
    """
    lost = [step.cell.metadata["nbgrader"]["grade_id"] for step in steps if step.answer and not step.found]
    found = [
        f"The answer cell {name} is not in your notebook. What you wrote elsewhere is run, but may not be "
        "found: take a fresh copy of the exercise and put your answers into its cells."
        for name in lost
    ]
    if sum(step.added for step in steps) >= MOST_ADDED:
        found.append(f"Only the first {MOST_ADDED} cells of your own are run in the grading.")
    return found


# --- which is which ----------------------------------------------------------------------------------


def _by_name(match: _Match) -> None:
    """By the cell's id, then by nbgrader's metadata."""
    ids = {cell.get("id"): number for number, cell in enumerate(match.released)}
    grade_ids = {
        cell.metadata["nbgrader"]["grade_id"]: number
        for number, cell in enumerate(match.released)
        if "nbgrader" in cell.metadata
    }
    for number, cell in enumerate(match.submitted):
        its = next((ids[name] for name in cell.ids if name in ids), None)
        if its is None:
            its = grade_ids.get(cell.grade_id)
        if its is not None and (
            cell.kind == match.released[its].cell_type or "nbgrader" in match.released[its].metadata
        ):
            match.of[number] = its


def _by_source(match: _Match) -> None:
    """By what the release says, in any language: cells as they were, check cells before all."""
    waiting: dict[tuple[str, str], list[int]] = {}
    for number in match.open():
        cell = match.released[number]
        given = cell.cell_type == "markdown" and not is_answer(cell)
        for source in markdown.versions(cell.source) if given else [cell.source]:
            waiting.setdefault((cell.cell_type, source.strip()), []).append(number)
    for number, submitted in enumerate(match.submitted):
        if number not in match.of and (its := waiting.get((submitted.kind, submitted.source.strip()))):
            match.of[number] = its.pop(0)


def _by_place(match: _Match) -> None:
    """By what stands around: an answer is what its question and its check cell have between them."""
    ends = [(-1, -1), *match.in_order(), (len(match.submitted), len(match.released))]
    open_ = match.open()
    for (mine, its), (my_end, its_end) in pairwise(ends):
        theirs = [number for number in range(mine + 1, my_end) if number not in match.of]
        ours = [number for number in open_ if its < number < its_end]
        _pair_code(match, ours, theirs)
        words = [number for number in ours if _is_essay(match.released[number])]
        if len(words) == 1:
            match.of |= {n: words[0] for n in theirs if match.submitted[n].kind == "markdown"}


def _pair_code(match: _Match, ours: list[int], theirs: list[int]) -> None:
    """Released and submitted code between the same two cells, by the names that they make."""
    ours = [number for number in ours if match.released[number].cell_type == "code"]
    theirs = [number for number in theirs if match.submitted[number].kind == "code"]
    for number in ours:
        names = names_made(match.released[number].source)
        for mine in theirs:
            if makes_one(match.submitted[mine].source, names):
                match.of[mine] = number
                theirs.remove(mine)
                break
    answers = [n for n in ours if n not in match.found() and is_answer(match.released[n])]
    if len(answers) == len(theirs) == 1:
        match.of[theirs[0]] = answers[0]


def _is_essay(cell: NotebookNode) -> bool:
    return is_answer(cell) and cell.cell_type == "markdown"


def names_made(source: str) -> frozenset[str]:
    """The names that a released cell makes for those below it."""
    found: set[str] = set()
    with contextlib.suppress(SyntaxError):
        for node in statements(source):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                found |= {(name.asname or name.name).partition(".")[0] for name in node.names}
            elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.For, ast.With)):
                found |= {
                    name.id
                    for name in ast.walk(node)
                    if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
                }
    return frozenset(found)


def statements(source: str) -> Iterator[ast.AST]:
    """A cell's statements that are run at once: those inside try, if, for and with too, not those of
    functions. Raises `SyntaxError`.
    """
    return _at_once([ast.parse(as_python(source))])


def _at_once(body: list[ast.AST]) -> Iterator[ast.AST]:
    for node in body:
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for name in ("body", "handlers", "orelse", "finalbody"):
                yield from _at_once(getattr(node, name, []))


def makes_one(source: str, names: Iterable[str]) -> bool:
    """Whether a learner's source makes one of some names, as far as its lines show: it is not parsed here."""
    some = "|".join(map(re.escape, sorted(names)))
    defined = rf"(?:async )?(?:def|class) (?:{some})\b"
    assigned = rf"(?:{some})[ \t]*(?:=(?!=)|:|,)"
    imported = rf"(?:from|import) .*\b(?:{some})\b"
    return bool(some) and bool(
        re.search(rf"^[ \t]*(?:{defined}|{assigned}|{imported})", source, re.MULTILINE)
    )


def _recognize(match: _Match, exercise: Exercise | None) -> None:
    """Raise `NeedsAPerson` unless this is a notebook of the exercise, and of one mind."""
    if conflict_in(match.submitted):
        raise NeedsAPerson("there is an unsolved conflict of git in one of the notebook's cells")
    if exercise is not None and (other := _other_exercise(match.submitted, exercise)):
        raise NeedsAPerson(f"it is the notebook of {other}, not of {exercise.name}")
    if not any("nbgrader" in match.released[its].metadata for its in match.found()):
        cells = len(match.submitted)
        found = f"{cells} cells, and none of them" if cells else "no cell, so none that"
        raise NeedsAPerson(f"the notebook has {found} belongs to this exercise")


def _other_exercise(cells: list[Cell], exercise: Exercise) -> str:
    """The exercise that a notebook says it is of, where that is another one; else ""."""
    named = [name for cell in cells if cell.kind == "code" for name in _NAMED.findall(cell.source)]
    if not named or exercise.name in named:
        return ""
    with contextlib.suppress(LookupError):
        return f"{named[0]} ({load_exercise(named[0]).title})"
    return ""


# --- as it will be run -------------------------------------------------------------------------------


def _laid_out(match: _Match) -> Iterator[Placed]:
    """The released cells in their order, each followed by what the learner added behind it."""
    added, behind = _added(match), _behind(match)
    count = 0
    for number in range(-1, len(match.released)):
        if number >= 0:
            yield _step(match, number)
        for mine in behind.get(number, ()):
            if mine in added and count < MOST_ADDED:
                count += 1
                yield Placed(_new_cell(match.submitted[mine], f"added-{count}"), added=True, worked_on=True)


def _step(match: _Match, number: int) -> Placed:
    released = match.released[number]
    cell = copy.deepcopy(released)
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    step = Placed(cell, found=number in match.copies, makes=_makes(cell))
    if is_answer(cell):
        step.answer = True
        cell.source = _answer(match, number)
        step.worked_on = cell.source.strip() != released.source.strip()
        if cell.cell_type == "markdown":
            cell.source = defused(cell.source)  # an instructor's browser will show it
    elif is_given(cell) and (theirs := match.primary.get(number)) is not None:
        changed = match.submitted[theirs].source
        if not _is_gone(changed, step.makes):
            cell.source, step.given, step.worked_on = changed, released.source, True
    return step


def _makes(cell: NotebookNode) -> frozenset[str]:
    return names_made(cell.source) if cell.cell_type == "code" else frozenset()


def _is_gone(changed: str, makes: Iterable[str]) -> bool:
    """Whether a changed given cell lacks a name that the release's makes: then both are run."""
    return not all(re.search(rf"\b{re.escape(name)}\b", changed) for name in makes)


def _other(one: str, two: str) -> bool:
    return one.strip() != two.strip()


def _answer(match: _Match, number: int) -> str:
    """An answer cell's source; of an essay all that was written, also in cells right behind it."""
    released, primary = match.released[number], match.primary.get(number)
    if released.cell_type == "code":
        return released.source if primary is None else match.submitted[primary].source
    copies = [match.submitted[mine].source for mine in match.copies.get(number, ())]
    written = [source for source in copies if _other(source, released.source)]
    if not written:
        written = [match.submitted[mine].source for mine in _words_behind(match, number)]
    return "\n\n".join(dict.fromkeys(filter(str.strip, written))) or released.source


def _words_behind(match: _Match, number: int) -> list[int]:
    """The markdown cells of the learner's own that follow a released cell at once."""
    found: list[int] = []
    last = max(match.copies.get(number, ()), default=len(match.submitted))
    for mine in range(last + 1, len(match.submitted)):
        if mine in match.of or match.submitted[mine].kind != "markdown":
            break
        found.append(mine)
    return found


def _added(match: _Match) -> set[int]:
    """The submitted cells that stand for themselves: unmatched ones, and other versions of matched ones."""
    found = set()
    for mine, cell in enumerate(match.submitted):
        its = match.of.get(mine)
        if not cell.source.strip() or cell.kind not in ("code", "markdown"):
            continue
        if its is None or (cell.kind == "code" and _is_another_version(match, mine, its)):
            found.add(mine)
    return found


def _is_another_version(match: _Match, mine: int, its: int) -> bool:
    """Whether a copy says something that the cell in its place does not: half of a split answer, an
    older try, a given cell's code in which something of the release's is gone.
    """
    released, source = match.released[its], match.submitted[mine].source
    if not _other(source, released.source) or released.cell_type != "code":
        return False
    primary = match.primary.get(its)
    if is_given(released) and mine == primary:
        return _is_gone(source, _makes(released))
    if not is_answer(released) and not is_given(released):
        return False
    return mine != primary and primary is not None and _other(source, match.submitted[primary].source)


def _behind(match: _Match) -> dict[int, list[int]]:
    """The submitted cells by the released cell in its place that each follows, or is."""
    places, current = dict(match.in_order()), -1
    behind: dict[int, list[int]] = {}
    for mine in range(len(match.submitted)):
        current = places.get(mine, current)
        behind.setdefault(current, []).append(mine)
    return behind


def _new_cell(cell: Cell, name: str) -> NotebookNode:
    if cell.kind == "markdown":
        return new_markdown_cell(defused(cell.source), id=name)
    return new_code_cell(cell.source, id=name)

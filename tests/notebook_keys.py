"""The key of a notebook: a digest of all that its run depends on, so that an unchanged notebook need not run again.

What counts, rather too much than too little:

- its code with the tags of its cells, what is stored under cells marked `# NBVAL_CHECK_OUTPUT`, and the seconds that it
  states. Prose and other outputs do not count;
- the package's modules that it reaches by import (`course_utils.closure`), or that a string names which it or they hold,
  and the tables, results and templates that lie beside them;
- the models with their weights and the metrics that it names. They are looked up by name, so one counts where its name
  stands in a string of the notebook or of a module that it reaches, and all count where the list of them is used;
- the checks of its exercise, and no other chapter's;
- files beside the notebook, and in the folders of other chapters whose names stand in it beside `WORKBOOK`;
- the pinned versions of what everybody installs (a group on top may add packages: what a notebook says without it is
  what is run), and what makes up a run (`RUNNER`).

A folder whose modules are found by looking into it (datasets, the world's grammar) counts as a whole: one more dataset
runs most notebooks again.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import nbformat.v4

from course_utils import closure
from course_utils.cells import as_python
from course_utils.install import read_constraints

PACKAGE = "course_utils"
COMPARED = "NBVAL_CHECK_OUTPUT"
RUNNER = (
    "tests/nbval.cfg",
    "tests/guard/*.py",
    "tests/isolation.py",
    "tests/notebook_run.py",
)
TRANSLATED = {".po", ".pot"}  # what is run says what it says in English
NOT_READ = {"chapter.toml", "README.md"}  # beside a notebook, but for people and for what is made from them

# What a notebook holds: of what its methods import, only that counts whose method is asked for. `check` loads the
# checks of the notebook's exercise, `progress` those of all.
COURSE, CHECKS = f"{PACKAGE}.course", f"{PACKAGE}.checks.chapters"
EXERCISE = re.compile(r"\d\d_(\w+)")
# Looked up by name: the list of all -> the folder that has a folder for each
BY_NAME = {"MODELS": "models/assets", "METRICS": "metrics"}
# Rooms that look names up: the names in them and their use of the lists say nothing of who needs what
LOOKING_UP = ("catalog/", "models/", "metrics/")
# Loads the recipes of all models, of which a notebook needs none
RECIPES = f"{PACKAGE}.models.registry"
# Modules that read the repository from its top, and what they read there
READERS = {"chapters/": ("lessons/**/*.ipynb", "lessons/**/*.toml", "course_utils/checks/chapters/*.py")}


@dataclass
class Code:
    """What is read off a piece of code, imports aside.

    texts: strings, docstrings aside. pieces: those of them that a path is put together of, as in `folder / "data"`.
    names: identifiers and attributes that are used, but for one of which only an entry is taken, as in
    `MODELS["bert"]`. asked: what is asked of an object called `course`.
    """

    texts: set[str] = field(default_factory=set)
    pieces: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)


def read(source: str) -> Code:
    """What a piece of Python says."""
    nodes, found = list(ast.walk(ast.parse(source))), Code()
    left_out = {id(node.value) for node in nodes if is_docstring(node) or takes_an_entry(node)}
    for node in nodes:
        if id(node) in left_out:
            continue
        if isinstance(node, ast.Name):
            found.names.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.names.add(node.attr)
            found.asked |= {node.attr} if getattr(node.value, "id", None) == "course" else set()
        elif is_text(node):
            found.texts.add(node.value)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            found.pieces |= {each.value for each in (node.left, node.right) if is_text(each)}
    return found


def is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def takes_an_entry(node: ast.AST) -> bool:
    return isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)


@cache
def read_file(path: Path, changed: int) -> Code:
    """`read` of a file as it is since the moment `changed`."""
    return read(path.read_text(encoding="utf-8"))


def named_modules(text: str) -> set[str]:
    """Modules that a string names: "course_utils.doctor:main", or a program to be run."""
    found = set(re.findall(rf"\b{PACKAGE}(?:\.\w+)+", text))
    for start, names in re.findall(rf"from ({PACKAGE}[.\w]*) import ([\w, ]+)", text):
        found |= {f"{start}.{name.strip()}" for name in names.split(",")}
    return found


def read_notebook(path: Path) -> dict:
    return nbformat.v4.reads(path.read_text(encoding="utf-8"))  # without validation, which takes its time


def code_cells(notebook: dict) -> list[dict]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def program(notebook: dict) -> str:
    """All code of a notebook as one Python program; magics become the calls that IPython makes of them."""
    return "\n".join(as_python(cell["source"]) for cell in code_cells(notebook))


def own_part(notebook: dict) -> list:
    """What of the notebook itself counts, as plain data."""
    counted = []
    for cell in code_cells(notebook):
        compared = cell["outputs"] if COMPARED in cell["source"] else []
        without_counts = [{k: v for k, v in each.items() if k != "execution_count"} for each in compared]
        counted.append([cell["source"], sorted(cell["metadata"].get("tags", [])), without_counts])
    return [counted, notebook["metadata"].get("course", {})]


class Tree:
    """What the notebooks of a repository reach in it, as it is on disk when it is looked at first."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.package = root / PACKAGE
        self.imported_from = cache(self.imported_from)
        self.named_in = cache(self.named_in)

    def key(self, notebook: Path) -> str:
        """The notebook's key: 16 hexadecimal digits."""
        own = json.dumps(own_part(read_notebook(notebook)), sort_keys=True)
        whole = own + json.dumps(self.versions) + closure.digest(self.files(notebook), root=self.root)
        return hashlib.sha256(whole.encode()).hexdigest()[:16]

    @cached_property
    def versions(self) -> dict[str, str]:
        """{package: its pinned version} of what everybody installs."""
        return read_constraints(self.root / "constraints.txt", groups=False)

    def files(self, notebook: Path) -> set[Path]:
        """Every file that the notebook's run depends on, itself aside."""
        source = program(read_notebook(notebook))
        folders = [notebook.parent, *self.other_chapters(read(source))]
        beside = {path for folder in folders for path in files_of(folder, "*") if path.suffix != ".ipynb"}
        beside = {path for path in beside if path.name not in NOT_READ}
        modules, codes = self.reached(source)
        return files_of(self.root, *RUNNER) | beside | modules | self.data(modules, codes)

    def other_chapters(self, own: Code) -> list[Path]:
        """The folders of lessons that a notebook names because it reads a file there."""
        if "WORKBOOK" not in own.names:
            return []
        return [self.root / "lessons" / text for text in sorted(own.pieces) if EXERCISE.fullmatch(text)]

    def reached(self, source: str) -> tuple[set[Path], list[Code]]:
        """(the modules that a notebook's code reaches, what is read off it and off them)."""
        own = read(source)
        waiting = {*closure.imported_by(source), *self.checks(own), *self.apart(), *self.named(own)}
        files: set[Path] = set()
        while waiting:  # a string in what is reached may name what is reached further
            new = {path for module in waiting for path in self.imported_from(module)} - files
            files |= new
            waiting = {module for path in new for module in self.named_in(path)}
        return {*files, *self.files_apart()}, [own, *map(self.code, sorted(files))]

    def imported_from(self, module: str) -> frozenset[Path]:
        return closure.reached([module], without=(COURSE, RECIPES), package=self.package)

    def named_in(self, path: Path) -> set[str]:
        return self.named(self.code(path))

    def code(self, path: Path) -> Code:
        """What is read off a module; nothing where it only looks up what others name."""
        if path.relative_to(self.package).as_posix().startswith(LOOKING_UP):
            return Code()
        return read_file(path, path.stat().st_mtime_ns)

    def files_apart(self) -> list[Path]:
        places = [self.root.joinpath(*name.split(".")).with_suffix(".py") for name in (COURSE, RECIPES)]
        return [path for path in places if path.is_file()]

    def apart(self) -> set[str]:
        """What the modules import that are not followed, but for the methods of `course`."""
        found = {each for path in self.files_apart() for each in closure.imported(path, PACKAGE)}
        return found - {module for modules in self.methods.values() for module in modules}

    @cached_property
    def methods(self) -> dict[str, set[str]]:
        """{method of a `Course`: what it imports when it is called}."""
        tree = ast.parse(
            self.root.joinpath(*COURSE.split(".")).with_suffix(".py").read_text(encoding="utf-8")
        )
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        return {each.name: set(closure.imported_by(ast.unparse(each))) for each in functions}

    def checks(self, own: Code) -> set[str]:
        """The checks of the notebook's exercise, and all that a `course` command may need."""
        texts = own.texts - own.pieces  # a folder of lessons is named as its exercise is
        topics = {match.group(1) for text in texts if (match := EXERCISE.fullmatch(text))}
        commands = any(re.match(r"course [a-z]", text) for text in own.texts)
        return {f"{CHECKS}.{topic}" for topic in topics} | ({f"{PACKAGE}.cli"} if commands else set())

    def named(self, code: Code) -> set[str]:
        """The modules that code reaches without importing them."""
        found = {module for text in code.texts if PACKAGE in text for module in named_modules(text)}
        found |= {module for name in code.asked for module in self.methods.get(name, ())}
        if "progress" in code.asked:
            found |= {f"{CHECKS}.{path.stem}" for path in (self.package / "checks" / "chapters").glob("*.py")}
        for folder in self.looked_up(code):
            room, name = folder.relative_to(self.package).parts[0], folder.name.replace("-", "_")
            found |= {f"{PACKAGE}.{room}.{name}", f"{PACKAGE}.{room}.{name}.{name}"}
        return found

    def looked_up(self, code: Code) -> set[Path]:
        """The folders of the models and metrics that code names, or all whose list it uses."""
        words = {word for text in code.texts for word in re.findall(r"\w[\w-]*", text)}
        found = set()
        for every, place in BY_NAME.items():
            folders = (self.package / place).glob("*/")
            found |= {folder for folder in folders if every in code.names or folder.name in words}
        return found

    def data(self, modules: set[Path], codes: Iterable[Code]) -> set[Path]:
        """The files that are no modules: what is looked up by name, what lies beside modules, what they read."""
        found = {
            path for code in codes for folder in self.looked_up(code) for path in files_of(folder, "**/*")
        }
        for folder in {path.parent for path in modules if path.parent.name not in ("models", "metrics")}:
            plain = [each for each in folder.glob("*/") if not (each / "__init__.py").exists()]
            found |= {
                path
                for path in files_of(folder, "*", *(f"{each.name}/**/*" for each in plain))
                if path.suffix not in {".py", *TRANSLATED} and path.name not in NOT_READ
            }
        for start, patterns in READERS.items():
            if any(path.relative_to(self.package).as_posix().startswith(start) for path in modules):
                found |= files_of(self.root, *patterns)
        return found


def files_of(folder: Path, *patterns: str) -> set[Path]:
    """The files in a folder that match, but for what Python and notebooks leave behind."""
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return {path for path in found if not {"__pycache__", ".ipynb_checkpoints"} & set(path.parts)}

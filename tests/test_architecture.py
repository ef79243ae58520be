"""Imports run one way, between rooms and between files, and importing course_utils is cheap."""

import ast
import graphlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "course_utils"

# A room may import rooms of its own floor and of those below; nowhere is there a circle.
FLOORS = [
    {
        "batches",
        "cache",
        "cells",
        "closure",
        "discovery",
        "files",
        "install",
        "learners",
        "light",
        "network",
        "pinned",
        "requirements",
        "sanitise",
        "session",
        "surroundings",
        "terminal",
        "text",
        "near",
        "texts",
        "wire",
        "workplace",
        "world",
    },
    {"datasets", "fetched", "metrics"},
    {"instructions", "models"},
    {"measure"},
    {"plots", "training"},
    {"catalog", "hub"},
    {"course", "standins"},
    {"checks"},
    {"grading"},
    {"apps", "bench", "chapters", "cli", "doctor", "lab", "places", "rehearse", "site"},
]
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}

# Upward imports that are wanted, only ever inside a function or for the type checker alone:
# setup() hands out a Course, and a Course runs checks when it is asked to.
LAZY_EXCEPTIONS = {("course_utils", "course"), ("course", "checks")}
HEAVY = (
    "torch",
    "transformers",
    "datasets",
    "evaluate",
    "peft",
    "accelerate",
    "gradio",
    "matplotlib",
    "sklearn",
)
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(module):
    """The room of a dotted module: "grading" for course_utils.grading.run.worker, "course_utils" for the package itself."""
    parts = module.split(".")[1:]
    return parts[0] if parts else "course_utils"


def room_of(path):
    return room(dotted(path))


def imports(tree, package):
    """(dotted module, whether importing the file leaves it out) for each import of a parsed file.

    Left out is what stands inside a function, or below `if TYPE_CHECKING:`.
    `package` is the dotted package the file lies in, against which relative imports are resolved.
    """

    def visit(node, inside):
        if isinstance(node, ast.Import):
            yield from ((alias.name, inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join(filter(None, [*base, node.module]))
            yield from ((f"{module}.{alias.name}", inside) for alias in node.names)
        inside = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        inside = inside or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    return list(visit(tree, False))


def rooms_imported(path):
    """{(room, lazily)} that a file imports from course_utils."""
    package = ".".join(("course_utils", *path.relative_to(PACKAGE).parent.parts))
    found = imports(ast.parse(path.read_text()), package)
    return {(room(name), lazy) for name, lazy in found if name.startswith("course_utils.")}


def upward(path):
    """Imports of a file that break the direction, as readable lines."""
    here = room_of(path)
    lines = []
    for there, lazy in sorted(rooms_imported(path)):
        if there == here or there not in FLOOR:
            continue
        allowed = FLOOR[there] <= FLOOR.get(here, -1) or (lazy and (here, there) in LAZY_EXCEPTIONS)
        if not allowed:
            lines.append(f"{path.relative_to(PACKAGE)} imports {there}")
    return lines


def circle(graph):
    """A circle in a graph {node: the nodes it points at}, as a list that ends where it begins, or None."""
    ordered = {node: sorted(following) for node, following in sorted(graph.items())}
    try:
        graphlib.TopologicalSorter(ordered).prepare()
    except graphlib.CycleError as error:
        return error.args[1][::-1]  # the sorter walks from what is needed to what needs it
    return None


def dotted(path):
    """The dotted module of a file: "course_utils.checks" for course_utils/checks/__init__.py."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def file_graph(paths):
    """{module: the modules it imports, at its top or inside a function} of files of this package.

    `from course_utils.checks import expect` is an import of the file expect.py; that Python runs the `__init__` of
    every package above a module does not count.
    """
    files = {dotted(path): path for path in paths}
    graph = {}
    for module, path in files.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        found = (_file(name, files) for name, _ in imports(ast.parse(path.read_text()), package))
        graph[module] = {there for there in found if there} - {module}
    return graph


def _file(name, files):
    """The module of `files` that holds the imported name: itself, or the one before its last dot."""
    return next((each for each in (name, name.rpartition(".")[0]) if each in files), None)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downwards(path):
    assert not upward(path)


def test_every_room_has_its_floor():
    rooms = {room_of(path) for path in MODULES} - {"course_utils"}
    assert rooms <= FLOOR.keys(), "give the new room a floor in FLOORS"


def test_no_circle_between_rooms():
    graph = {}
    for here, found in file_graph(MODULES).items():
        graph.setdefault(room(here), set()).update({room(there) for there in found} - {room(here)})
    assert circle(graph) is None


def test_no_circle_between_files():
    assert circle(file_graph(MODULES)) is None


def test_the_language_world_imports_nothing_of_ours():
    graph = file_graph(MODULES)
    of_the_world = [module for module in graph if room(module) == "world"]
    assert of_the_world
    for module in of_the_world:
        assert {room(there) for there in graph[module]} <= {"world"}, module


# The tools above can fail: each sees a planted fault.


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("import course_utils.grading.worker", ("course_utils.grading.worker", False)),
        ("from course_utils import grading", ("course_utils.grading", False)),
        ("from ..grading import worker", ("course_utils.grading.worker", False)),
        ("from . import paths", ("course_utils.catalog.paths", False)),
        ("def f():\n    from course_utils import checks", ("course_utils.checks", True)),
        ("if TYPE_CHECKING:\n    from course_utils import checks", ("course_utils.checks", True)),
    ],
)
def test_imports_are_found(line, found):
    assert imports(ast.parse(line), "course_utils.catalog") == [found]


def test_a_circle_is_found():
    found = circle({"a": {"b"}, "b": {"c"}, "c": {"b"}})
    assert found in (["b", "c", "b"], ["c", "b", "c"])
    assert circle({"a": {"b", "c"}, "b": {"c"}}) is None


@pytest.mark.parametrize("line", ["from course_utils.checks import testing", "from . import testing"])
@pytest.mark.parametrize("inside", ["", "def later():\n    "])
def test_a_circle_between_files_is_found(tmp_path, monkeypatch, line, inside):
    package = tmp_path / "course_utils" / "checks"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "testing.py").write_text("from course_utils.checks.expect import equal\n")
    (package / "expect.py").write_text(f"{inside}{line}\n")
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path / "course_utils")
    found = circle(file_graph(package.rglob("*.py")))
    assert set(found) == {"course_utils.checks.expect", "course_utils.checks.testing"}


def test_a_class_name_stands_for_one_thing():
    """Whoever reads `Folder` should not have to ask which of two it is."""
    places = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(path.relative_to(PACKAGE).as_posix())
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@pytest.fixture(scope="module")
def light_import():
    """Modules that `import course_utils` loads in a fresh interpreter, and the processor time it takes."""
    code = (
        "import json, sys, time; start = time.process_time(); import course_utils; from course_utils import setup;"
        "print(json.dumps([time.process_time() - start, sorted(sys.modules)]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600
    )
    return json.loads(result.stdout)


def test_importing_course_utils_loads_nothing_heavy(light_import):
    _, modules = light_import
    assert not set(HEAVY) & set(modules)


def test_importing_course_utils_takes_no_time(light_import, record_property):
    seconds, modules = light_import
    record_property("import_seconds", round(seconds, 4))
    record_property("import_modules", len(modules))
    assert seconds < 0.3  # measured 0.01 s


def test_setup_leaves_the_training_stack_alone():
    """setup() needs torch for seeds and threads; Trainer, evaluate, peft and gradio wait until a lesson asks."""
    code = "from course_utils import setup; setup(); import sys, json; print(json.dumps(sorted(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600
    )
    modules = set(json.loads(result.stdout.splitlines()[-1]))
    assert not {"transformers.trainer", "evaluate", "peft", "gradio", "datasets"} & modules

"""Imports run one way, and importing course_utils is cheap."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "course_utils"

# A room may import rooms of its own floor and of those below. Within a floor there must be no circle.
FLOORS = [
    {
        "closure",
        "discovery",
        "files",
        "install",
        "pinned",
        "sanitise",
        "session",
        "terminal",
        "text",
        "wire",
        "world",
    },
    {"datasets", "metrics"},
    {"instructions", "measure", "models", "plots", "training"},
    {"catalog", "hub"},
    {"course"},
    {"checks"},
    {"grading"},
    {"apps", "bench", "chapters", "cli", "doctor", "lab", "rehearse"},
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
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return room(".".join(parts[:-1] if parts[-1] == "__init__" else parts))


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
    """A circle in a graph {room: rooms}, as a list of rooms, or None."""

    def walk(node, trail):
        if node in trail:
            return [*trail[trail.index(node) :], node]
        for following in sorted(graph.get(node, ())):
            if found := walk(following, [*trail, node]):
                return found
        return None

    return next(filter(None, (walk(node, []) for node in sorted(graph))), None)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downwards(path):
    assert not upward(path)


def test_every_room_has_its_floor():
    rooms = {room_of(path) for path in MODULES} - {"course_utils"}
    assert rooms <= FLOOR.keys(), "give the new room a floor in FLOORS"


def test_no_circle_within_a_floor():
    graph = {}
    for path in MODULES:
        here = room_of(path)
        graph.setdefault(here, set()).update(
            there
            for there, _ in rooms_imported(path)
            if there != here and FLOOR.get(there) == FLOOR.get(here)
        )
    assert circle(graph) is None


def test_the_language_world_imports_nothing_of_ours():
    files = sorted((PACKAGE / "world").rglob("*.py"))
    assert files
    for path in files:
        tree = ast.parse(path.read_text())
        names = [name for name, _ in imports(tree, "course_utils.world")]
        ours = [name for name in names if name.startswith("course_utils.")]
        assert all(name.startswith("course_utils.world") for name in ours), (path.name, ours)


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
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


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

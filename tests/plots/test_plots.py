"""The room as lessons see it: every picture by one name, each from one place."""

import ast
from pathlib import Path

from course_utils import plots

ROOM = Path(plots.__file__).parent


def pictures(path):
    """The public functions of a file that return a Figure."""
    functions = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    return {
        each.name
        for each in functions
        if not each.name.startswith("_")
        and each.returns is not None
        and ast.unparse(each.returns) == "Figure"
    }


def test_every_public_picture_is_found_under_plots():
    found = [name for path in ROOM.glob("*.py") for name in pictures(path)]
    assert len(found) == len(set(found)) > 20
    assert set(found) <= set(plots.__all__)


def calls(path):
    """What a file calls as `something.name(…)`, by name."""
    called = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return {each.attr for each in called if isinstance(each, ast.Attribute)}


def test_only_one_place_makes_a_figure():
    assert [path.name for path in ROOM.glob("*.py") if "subplots" in calls(path)] == ["figure.py"]


def test_nothing_outside_draws_for_itself():
    drawing = [
        path.relative_to(ROOM.parent)
        for path in ROOM.parent.rglob("*.py")
        if "plots" not in path.parts and "import pyplot" in path.read_text()
    ]
    assert drawing == []

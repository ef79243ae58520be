"""What a module reaches by import is found in the sources."""

import pytest

from course_utils import closure

SOURCES = {
    "__init__.py": "def setup():\n    from house.course import start",
    "course.py": "from house import wire\nfrom house.checks.notebook import show",
    "wire/__init__.py": "",
    "wire/codec.py": "import json",
    "checks/__init__.py": "",
    "checks/notebook.py": "from house.wire import codec",
    "datasets/__init__.py": "from house.datasets.registry import DATASETS",
    "datasets/registry.py": "import pkgutil",
    "datasets/reviews.py": "from ..grammar import draw",
    "grammar/__init__.py": "",
    "grammar/draw.py": "from . import lexicon",
    "grammar/lexicon.py": "",
}


@pytest.fixture
def house(tmp_path):
    for name, source in SOURCES.items():
        path = tmp_path / "house" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return tmp_path / "house"


def names(house, *modules, **options):
    found = closure.reached(modules, package=house, **options)
    return {path.relative_to(house).as_posix() for path in found}


def test_packages_on_the_way_and_imports_in_functions_count(house):
    assert names(house, "house.wire.codec") == {
        *("__init__.py", "course.py", "wire/__init__.py", "wire/codec.py"),
        *("checks/__init__.py", "checks/notebook.py"),
    }


def test_some_modules_are_not_followed(house):
    found = names(house, "house.course", without=["house.checks"])
    assert found == {"__init__.py", "course.py", "wire/__init__.py"}


def test_a_folder_that_is_searched_is_reached_whole_relative_imports_too(house):
    found = names(house, "house.datasets", without=["house.course"])
    assert {"datasets/registry.py", "datasets/reviews.py", "grammar/draw.py", "grammar/lexicon.py"} <= found


def test_other_packages_and_unknown_names_are_left_out(house):
    assert names(house, "json", "house.nowhere", without=["house.course"]) == {"__init__.py"}


def test_a_change_of_content_or_name_changes_the_digest(house):
    files = closure.reached(["house.wire.codec"], package=house)
    before = closure.digest(files, root=house)
    assert closure.digest(files, root=house) == before
    (house / "wire" / "codec.py").write_text("import json ")
    assert closure.digest(files, root=house) != before
    moved = (house / "wire" / "codec.py").rename(house / "wire" / "other.py")
    assert closure.digest([moved], root=house) != closure.digest([house / "course.py"], root=house)


def test_a_changed_import_is_seen(house):
    assert "grammar/draw.py" not in names(house, "house.wire.codec")
    (house / "wire" / "codec.py").write_text("import json\nimport house.grammar.draw")
    assert "grammar/draw.py" in names(house, "house.wire.codec")


def test_the_package_itself_is_read():
    found = {
        path.relative_to(closure.PACKAGE).as_posix()
        for path in closure.reached(["course_utils.instructions"])
    }
    assert {"instructions.py", "world/lexicon.py", "__init__.py"} <= found

"""One dependency list: pyproject.toml names packages, constraints.txt their versions, environment.yml neither."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
import yaml

from course_utils.cli import GRADING_PACKAGES
from course_utils.install import BESIDES, EVERYBODYS, brought_by, normalised, read_constraints

OURS = {"course_utils", "tests", "sitecustomize", "__main__"}
#: what tests run with where it is there: tests/wire/fuzz_codec.py and lessons/18_*/pipeline.py say how to get it
OF_THEIR_OWN = {"atheris", "kfp"}


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


def names(requirements):
    return {normalised(re.match(r"[\w.-]+", each)[0]) for each in requirements}


def test_every_dependency_has_one_exact_version(root, project):
    groups = project["optional-dependencies"]
    asked = names(project["dependencies"]).union(*map(names, groups.values())) - {project["name"]}
    assert asked <= read_constraints().keys()


def test_no_package_is_asked_for_twice(project):
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    asked = [name for each in lists for name in names(each)]
    assert len(asked) == len(set(asked)), sorted(asked)


def imported(folder, without=()):
    """The packages outside the standard library that a folder's Python files import, by distribution."""
    paths = [path for path in folder.rglob("*.py") if path not in without]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    distributions = packages_distributions()
    tops = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names - OURS
    return {normalised(distributions[top][0] if top in distributions else top) for top in tops}


def test_what_is_imported_is_asked_for(root, project):
    asked = names(project["dependencies"])
    groups = project["optional-dependencies"]
    site, desk, gradebook = (
        root / "course_utils" / each for each in ("site", "grading/desk", "grading/gradebook")
    )
    graders = [*desk.rglob("*.py"), *gradebook.rglob("*.py")]
    cluster = [root / "course_utils" / each for each in ("grading/run/ray_engine.py", "bench/ray_nodes.py")]
    everybodys = imported(root / "course_utils", without=[site / "conf.py", *cluster, *graders])
    assert everybodys <= asked
    on_a_cluster = imported(cluster[0].parent) | imported(
        cluster[1].parent
    )  # `--engine ray` alone imports more
    assert on_a_cluster - everybodys == names(groups["ray"])
    assert imported(site) <= asked | names(groups["site"])  # Sphinx reads its conf.py, and nobody else
    asked |= names(groups["grading"])
    assert imported(desk) | imported(gradebook) <= asked
    asked |= names(groups["test"]) | names(groups["browser"]) | names(groups["ray"]) | OF_THEIR_OWN
    assert imported(root / "tests") <= asked


def test_a_verb_without_what_grading_needs_says_how_to_get_it(project):
    assert (
        names(project["optional-dependencies"]["grading"]) == GRADING_PACKAGES
    )  # tests/test_wheel.py runs one


def test_constraints_hold_versions_and_nothing_else(root):
    parts = [
        [line for line in part.strip().splitlines() if not line.startswith("#")]
        for part in (root / "constraints.txt").read_text().split(BESIDES)
    ]
    entries = [line for part in parts for line in part]
    assert all(re.fullmatch(r"[\w.-]+==[\w.!]+", line) for line in entries), "no paths, hosts, build suffixes"
    assert len(parts) == 2
    assert all(part == sorted(part, key=str.lower) for part in parts), "`make constraints` sorts them"
    assert len(read_constraints()) == len(entries), "a package stands twice"


def test_what_everybody_installs_stands_above_what_only_the_other_groups_bring(project):
    """A notebook's key counts the upper part alone, so one more optional package runs no notebook again."""
    everybodys = brought_by(project["name"], EVERYBODYS)
    above, all_of_them = read_constraints(groups=False), read_constraints()
    assert above.keys() == all_of_them.keys() & everybodys
    assert {"torch", "nbgrader", "pytest"} <= above.keys()
    assert {"ray", "onnxruntime"} <= all_of_them.keys() - above.keys()


def test_conda_adds_no_list_of_its_own(root, project):
    environment = yaml.safe_load((root / "environment.yml").read_text())
    *from_conda, from_pip = environment["dependencies"]
    assert [re.match(r"\w+", each)[0] for each in from_conda] == ["python", "pip"]
    assert from_pip == {"pip": ["-c constraints.txt", "-e .[dev]"]}
    assert project["requires-python"] == ">=3.11"
    assert from_conda[0].startswith("python>=3.11")


def test_the_installation_needs_what_the_project_says(project):
    from course_utils.install import OLDEST_PYTHON

    assert project["requires-python"] == ">=" + ".".join(map(str, OLDEST_PYTHON))


def test_the_makefile_asks_for_the_same_python(root):
    from course_utils.install import OLDEST_PYTHON

    assert f"sys.version_info < {OLDEST_PYTHON}" in (root / "Makefile").read_text()


def test_what_runs_here_are_the_resolved_versions():
    """Marks and figures in the README belong to these versions."""
    from course_utils.doctor import installed_versions

    installed, wanted = installed_versions(), read_constraints()
    assert {name: installed[name] for name in wanted if name in installed} == {
        name: version for name, version in wanted.items() if name in installed
    }

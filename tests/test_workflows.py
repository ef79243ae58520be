"""The public CI's files can't run here: they fit the schema of their kind, and call what there is."""

import subprocess
import sys

import pytest
import yaml

SYSTEMS = {"ubuntu-latest", "macos-latest", "windows-latest"}


@pytest.fixture(scope="module")
def workflow(root):
    return yaml.safe_load((root / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))


def test_the_workflows_fit_their_schema(root):
    ours = [*(root / ".github" / "workflows").glob("*.yml"), root / "lessons/16_spaces_and_demos/deploy.yml"]
    files = sorted(map(str, ours))
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
        *files,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert files and done.returncode == 0, done.stdout + done.stderr


def test_the_quick_tests_run_on_three_systems_with_three_pythons(workflow):
    matrix = workflow["jobs"]["quick"]["strategy"]["matrix"]
    assert set(matrix["system"]) == SYSTEMS
    assert len(set(matrix["python"])) == 3 and "3.11" in matrix["python"]


def test_what_the_workflow_calls_is_there(root, workflow):
    said = "\n".join(step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"])
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    assert "make install" in said and "\ninstall:" in makefile
    assert "make test" in said and "\ntest: install" in makefile
    for path in ("course_utils/install.py", "tests/run.py"):
        assert (root / path).is_file() and path.removesuffix(".py").split("/")[-1] in said
    assert workflow["jobs"]["whole"]["runs-on"] == "ubuntu-latest"

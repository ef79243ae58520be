"""The workflow that publishes the site is a workflow, and does here what it says."""

import subprocess
import sys

import pytest
import yaml

from course_utils import cli


@pytest.fixture(scope="module")
def path(root):
    return root / ".github" / "workflows" / "site.yml"


def test_it_is_a_workflow(path):
    pytest.importorskip("check_jsonschema")
    schema = "vendor.github-workflows"
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = yaml.safe_load(path.read_text())["jobs"]
    assert all(job["timeout-minutes"] <= 30 for job in jobs.values())


def test_only_the_job_that_publishes_may(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert "permissions" not in workflow["jobs"]["build"]
    assert workflow["jobs"]["deploy"]["permissions"] == {"pages": "write", "id-token": "write"}


def test_what_is_made_is_what_is_published(root, path):
    steps = yaml.safe_load(path.read_text())["jobs"]["build"]["steps"]
    runs = [step["run"].split() for step in steps if "run" in step]
    uploaded = next(step["with"]["path"] for step in steps if "upload" in step.get("uses", ""))
    install, make = runs
    assert (root / install[2]).is_file()
    assert make[0] == ".venv/bin/course" and cli.find(make[1:]) == ("site", [uploaded])

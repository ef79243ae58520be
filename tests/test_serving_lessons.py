"""Chapter 17's files: an app on loopback, the manifests, the rules and the board that the lessons read."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import time

import httpx2
import psutil
import pytest
import yaml
from fastapi import FastAPI

FOLDER = "lessons/17_serving_in_production"


@pytest.fixture
def folder(root):
    return root / FOLDER


@pytest.fixture
def loopback(folder):
    spec = importlib.util.spec_from_file_location("loopback_of_the_lessons", folder / "loopback.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def cell(folder):
    """cell(notebook, id): what a cell defines."""

    def run(notebook, name):
        cells = json.loads((folder / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
        scope = {}
        exec("".join(next(each["source"] for each in cells if each["id"] == name)), scope)
        return scope

    return run


@pytest.fixture
def metrics(cell):
    """The names that the app of lesson 17.4 gives."""
    scope = cell("04_watched", "metrics")
    scope["REQUESTS"].labels(status="200").inc()
    return {sample.name for family in scope["registry"].collect() for sample in family.samples}


PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE)
time.sleep(120)
"""


def ended(number):
    try:
        return psutil.Process(number).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_server_ends_with_its_parent_even_where_that_is_killed(cell, tmp_path):
    watched = cell("01_a_server_and_its_client", "process")["WATCHED"].partition("from transformers")[0]
    note = tmp_path / "pid"
    child = f"{watched}\nimport time\nopen({str(note)!r}, 'w').write(f'{{os.getpid()}}.')\ntime.sleep(120)"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, child])
    try:
        while not (note.exists() and note.read_text().endswith(".")):
            assert parent.poll() is None
            time.sleep(0.02)
    finally:
        parent.kill()
        parent.wait()
    number, ends = int(note.read_text()[:-1]), time.monotonic() + 60
    while not ended(number):
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_an_app_answers_inside_the_with_and_not_after_it(loopback):
    app = FastAPI()
    app.get("/health")(lambda: {"status": "ok"})
    with loopback.serving(app) as first, loopback.serving(app) as second:
        assert first != second
        assert (
            httpx2.get(f"{first}/health").json() == httpx2.get(f"{second}/health").json() == {"status": "ok"}
        )
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{first}/health")


def test_an_app_is_gone_after_an_error_too(loopback):
    with pytest.raises(KeyError), loopback.serving(FastAPI()) as address:
        raise KeyError(address)
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(address)


def test_the_manifests_fit_kubernetes(folder):
    validator = pytest.importorskip("kubernetes_validate", reason="validates manifests where it is installed")
    kinds = []
    for path in sorted((folder / "k8s").glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        validator.validate(document, "1.37", strict=True)
        kinds.append(document["kind"])
    assert kinds == ["Deployment", "HorizontalPodAutoscaler", "Service"]


def test_the_autoscaler_counts_what_the_app_gives(folder, metrics):
    scaler = yaml.safe_load((folder / "k8s/hpa.yaml").read_text(encoding="utf-8"))["spec"]
    assert {each["pods"]["metric"]["name"] for each in scaler["metrics"]} <= metrics


def test_board_and_rules_ask_for_what_there_is(folder, metrics):
    rules = yaml.safe_load((folder / "rules.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
    board = json.loads((folder / "board.json").read_text(encoding="utf-8"))
    queries = [rule["expr"] for rule in rules]
    queries += [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked = {name for query in queries for name in re.findall(r"saltmarsh[\w:]*", query)}
    assert asked <= metrics | {rule["record"] for rule in rules if "record" in rule}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_prometheus_takes_the_rules(folder):
    if not shutil.which("promtool"):
        pytest.skip("checks the rules where promtool is installed")
    subprocess.run(["promtool", "check", "rules", str(folder / "rules.yml")], check=True, timeout=60)

"""A pytest plugin that writes down what became of each test, for `tests/run.py`: `-p tests.outcomes --outcomes FILE`.

pytest's own `--last-failed` tells a failed test from none, but not a failed test from a worker that died.
"""

import json
from pathlib import Path

import pytest


class Outcomes:
    """tests: {node id: {"outcome": "passed", "failed" or "skipped", "seconds": set-up, call and teardown}}.

    faults: what went wrong with the run itself, as sentence parts: no second chance mends these.
    """

    def __init__(self, path):
        self.path = path
        self.tests = {}
        self.faults = []

    def pytest_runtest_logreport(self, report):
        entry = self.tests.setdefault(report.nodeid, {"outcome": "passed", "seconds": 0.0})
        entry["seconds"] = round(entry["seconds"] + getattr(report, "duration", 0.0), 2)
        if entry["outcome"] == "passed":  # what has failed stays failed, whatever its teardown does
            entry["outcome"] = report.outcome

    def pytest_collectreport(self, report):
        if report.failed:
            self.faults.append(f"{report.nodeid or 'the tests'} could not be collected")

    def pytest_internalerror(self, excrepr):
        self.faults.append(f"pytest itself failed: {str(excrepr).strip().splitlines()[-1]}")

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem):
        self.faults.append(f"a worker crashed while it ran {crashitem}")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node, error):
        if error:
            self.faults.append(f"worker {node.gateway.id} went down: {error}")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session):
        if stopped := session.shouldstop or session.shouldfail:
            self.faults.append(f"the run ended before its last test: {stopped}")

    def pytest_unconfigure(self):
        self.path.write_text(json.dumps({"tests": self.tests, "faults": self.faults}))


def pytest_addoption(parser):
    parser.addoption("--outcomes", type=Path, help="the file that tests/run.py reads")


def pytest_configure(config):
    path = config.getoption("--outcomes")
    if path and not hasattr(config, "workerinput"):  # the workers of pytest-xdist report to their controller
        config.pluginmanager.register(Outcomes(path), "outcomes of every test")

"""A disturbed test gets one second chance, alone; all that is wrong still fails the run. Shown on runs of toy tests."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.run import DEAREST, FAILED, MOST_UNSTABLE, PASSED, Outcome, Verdict, judge, report

FINE = "def test_fine():\n    pass\n"
WRONG = "def test_wrong():\n    assert False\n"
# fails until its file is there: a test that something disturbs the first time
DISTURBED = """
import pathlib, pytest

@pytest.mark.parametrize("number", range({count}))
def test_disturbed(number):
    been = pathlib.Path(f"been-{{number}}")
    first, _ = not been.exists(), been.touch()
    assert not first
"""
CRASHING = "import os\n\ndef test_crashing():\n    os._exit(3)\n"


QUICKLY = (
    "-pno:cacheprovider",
    "-pxdist.plugin",
)  # toy tests need none of the other plugins, which take long to load


def run_toys(folder, tests, *arguments):
    """Run `tests`, {file: text}, through tests/run.py with two workers; returns (exit code, what it printed)."""
    for name, text in tests.items():
        (folder / name).write_text(text)
    command = [sys.executable, "-m", "tests.run", "-n", "2", *QUICKLY, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(autouse=True)
def find_the_runner(monkeypatch, root):
    monkeypatch.setenv("PYTHONPATH", str(root))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("CI_BEGAN", raising=False)
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST_")]:
        monkeypatch.delenv(name)  # a toy would take itself for a test of the worker that runs this one


def last_line(said):
    return said.strip().splitlines()[-1]


def unstable(said):
    return re.findall(r"^UNSTABLE (\S+)$", said, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tests", "code", "closing", "named"),
    [
        ({"test_fine.py": FINE}, 0, "1 passed, 0 failed, 0 skipped", []),
        (
            {"test_fine.py": FINE, "test_it.py": DISTURBED.format(count=2)},
            0,
            "3 passed, 0 failed, 0 skipped",
            ["test_it.py::test_disturbed[0]", "test_it.py::test_disturbed[1]"],
        ),
        ({"test_it.py": DISTURBED.format(count=MOST_UNSTABLE + 1)}, 1, "0 passed, 6 failed, 0 skipped", []),
        (
            {"test_wrong.py": WRONG, "test_it.py": DISTURBED.format(count=1)},
            1,
            "1 passed, 1 failed, 0 skipped",
            ["test_it.py::test_disturbed[0]"],
        ),
        ({"test_fine.py": FINE, "test_it.py": CRASHING}, 1, "1 passed, 1 failed, 0 skipped", []),
        (
            {"test_fine.py": FINE, "test_it.py": "import nothing_of_that_name"},
            1,
            "1 passed, 1 failed, 0 skipped",
            [],
        ),
        ({"nothing.py": ""}, 5, "0 passed, 1 failed, 0 skipped", []),
    ],
    ids=["fine", "two disturbed", "six disturbed", "wrong", "crashing", "not collected", "no tests"],
)
def test_what_a_run_comes_to(tests, code, closing, named, tmp_path):
    found, said = run_toys(tmp_path, tests)
    assert found == code, said
    assert last_line(said) == closing, said
    assert sorted(unstable(said)) == named, said


@pytest.mark.slow
def test_the_second_chance_is_alone_and_keeps_the_choice_of_tests(tmp_path):
    where = "    assert been.touch() or 'PYTEST_XDIST_WORKER' not in os.environ\n"
    text = "import os, pathlib, pytest\n\nbeen = pathlib.Path('been')\n\ndef test_alone():\n" + where
    text += (
        "\n@pytest.mark.skipif(been.exists(), reason='a skipped test has not passed')\ndef test_skipped():\n"
    )
    text += "    been.touch()\n    assert False\n\ndef test_left_out():\n    assert False\n"
    code, said = run_toys(tmp_path, {"test_it.py": text}, "-k", "not left_out")
    assert unstable(said) == ["test_it.py::test_alone"], said
    assert (code, last_line(said)) == (1, "1 passed, 1 failed, 0 skipped")
    assert "FAILED test_it.py::test_skipped" in said.splitlines()


@pytest.mark.slow
def test_an_interrupted_run_fails_whatever_had_passed(tmp_path):
    text = (
        "import pathlib, time\n\ndef test_long():\n    pathlib.Path('begun').touch()\n    time.sleep(600)\n"
    )
    (tmp_path / "test_long.py").write_text(text)
    (tmp_path / "test_fine.py").write_text(FINE)
    command = [sys.executable, "-m", "tests.run", "-n", "2", *QUICKLY]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0
    )
    while not (tmp_path / "begun").exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    said, _ = process.communicate(timeout=600)
    assert process.returncode not in (0, None), said
    assert "1 failed" in last_line(said), said


def outcome(exit_code=FAILED, faults=(), **tests):
    return Outcome(exit_code, {n: {"outcome": o, "seconds": 1.0} for n, o in tests.items()}, list(faults))


def never(names):
    raise AssertionError("no second run here")


@pytest.mark.parametrize(
    "first",
    [
        outcome(faults=["a worker crashed"], a="failed"),
        outcome(PASSED, ["a worker crashed"], a="passed"),
        outcome(2, a="failed"),
        outcome(3, a="passed"),
        outcome(137),
    ],
)
def test_a_run_that_went_wrong_itself_fails_without_a_second_chance(first):
    verdict = judge(first, never)
    assert verdict.exit_code != PASSED
    assert not verdict.unstable
    assert not last_line(report(first, verdict, 1.0)).startswith("0 failed")


@pytest.mark.parametrize(
    "second",
    [
        outcome(a="failed"),
        outcome(PASSED),
        outcome(PASSED, a="skipped"),
        outcome(PASSED, ["a worker crashed"], a="passed"),
        outcome(4),
    ],
)
def test_only_a_test_that_was_seen_to_pass_alone_is_unstable(second):
    assert judge(outcome(a="failed", b="passed"), lambda names: second).failed == ["a"]


def test_the_report_names_the_dearest_tests_and_the_minutes(monkeypatch):
    monkeypatch.setenv("CI_BEGAN", str(int(time.time()) - 600))
    count = DEAREST + 2
    tests = {f"{'ab'[n % 2]}.py::test_{n}": {"outcome": "passed", "seconds": float(n)} for n in range(count)}
    lines = report(Outcome(PASSED, tests, []), Verdict(PASSED, [], []), 90.0).splitlines()
    assert lines[1].split() == [f"{count - 1:.1f}", "s", f"b.py::test_{count - 1}"]
    assert "b.py::test_1" not in " ".join(lines).split()
    assert [line.split() for line in lines[DEAREST + 2 : DEAREST + 4]] == [
        [f"{sum(range(1, count, 2)):.1f}", "s", "b.py"],
        [f"{sum(range(0, count, 2)):.1f}", "s", "a.py"],
    ]
    assert re.search(r"1\.5 minutes, 10\.\d since .ci/run began", lines[-2])
    assert lines[-1] == f"{count} passed, 0 failed, 0 skipped"

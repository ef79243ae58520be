"""A class on a Ray cluster of this machine: the marks of the local engine, whatever happens to the nodes."""

import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from course_utils.closure import PACKAGE
from course_utils.grading.desk import autograde
from course_utils.grading.run import ray_node
from course_utils.grading.run.batch import grade_all
from course_utils.grading.run.journal import Journal
from tests.grading import toy


def on_a_cluster(test):
    missing = pytest.mark.skipif(find_spec("ray") is None, reason="the group ray is not installed")
    return pytest.mark.slow(missing(test))


WAITS = toy.ANSWERS | {"q1": "import time\ntime.sleep(2)\n" + toy.ANSWERS["q1"]}

ROOT = Path(__file__).resolve().parents[3]
WAIT_SECONDS = 300  # on a busy machine


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """A cluster with a head that grades nothing, and one node."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    from course_utils.bench.ray_nodes import Cluster

    found = Cluster()
    found.first = found.add("first")
    yield found
    found.close()


def running(words):
    """The processes whose command line has these words in it."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if words in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def until(condition):
    """Wait until something is so, and give it back."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "it has not come about"
        time.sleep(0.1)
    return found


@pytest.fixture
def engine(nodes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # Ray's workers look for modules in the folder where a run was started, too
    from course_utils.grading.run.ray_engine import RayEngine

    said = []
    engine = RayEngine(nodes.address, note=said.append)
    engine.said = said
    return engine


def marks(outcomes):
    """All that the gradebook and the journal get to know of some outcomes."""
    return {
        each.submission.student: (each.graded.reports, each.graded.notebook, each.stamp, each.why, each.again)
        for each in outcomes
    }


class Meanwhile(threading.Thread):
    """What is done while a class is graded; a failure in it fails the test."""

    def __init__(self, *steps):
        super().__init__(daemon=True)
        self.steps, self.failed = steps, None

    def run(self):
        try:
            for step in self.steps:
                step()
        except BaseException as error:
            self.failed = error

    def __enter__(self):
        self.start()

    def __exit__(self, *error):
        self.join(WAIT_SECONDS)
        if self.failed is not None:
            raise self.failed


def on_the_way(engine, name):
    """Whether a node of that name has been given something that has not come back."""
    nodes = list(engine._nodes.values())
    return any(node.ready and node.flying and node.name.startswith(name) for node in nodes)


@on_a_cluster
def test_marks_are_those_of_the_local_engine_to_the_digit(engine, grader, hand_in):
    class_ = [hand_in(f"s{number}", **(toy.ANSWERS if number % 2 else {})) for number in range(4)]
    class_.append(hand_in("wrong", q1="def double(number): return number + 1"))
    broken, missing = hand_in("broken"), hand_in("missing")
    broken.notebook.write_text("[" * 50_000)
    missing.notebook.unlink()
    class_ += [broken, missing]
    said = []
    found = list(engine.grade_all(class_, grader, lambda *told: said.append(told)))
    here = list(grade_all(class_, grader, 1, lambda *told: said.append(told)))
    assert len(found) == len(class_)
    assert marks(found) == marks(here)
    assert said[0] == said[1]
    assert {each.graded.sandbox for each in found if not each.why} == {said[0][0]}


@pytest.mark.parametrize(
    ("left", "given"),
    [
        pytest.param(40, [6, 6], id="while many are left, each node has two besides those it grades"),
        pytest.param(
            9, [4, 4], id="what is left nearly fits: the last waits for whichever place is free first"
        ),
        pytest.param(3, [2, 1], id="fewer than places"),
    ],
)
def test_submissions_are_sent_ahead_until_few_are_left(left, given, grader, hand_in):
    pytest.importorskip("ray")
    from course_utils.grading.run import ray_engine

    sent = []
    desk = SimpleNamespace(grade=SimpleNamespace(remote=lambda number, task: sent.append(number) or number))
    nodes = [ray_engine._Node(f"node {number}", jobs=4, desk=desk, ready=True) for number in range(2)]
    engine = ray_engine.RayEngine(_nodes={node.name: node for node in nodes})
    submission = hand_in("ann", **toy.ANSWERS)
    assert not list(engine._send(deque([(submission, 0)] * left), grader))
    assert [node.flying for node in nodes] == given
    assert len(sent) == sum(given)


def test_what_is_sent_holds_no_secret(grader, hand_in):
    submission = hand_in("ann", **toy.ANSWERS)
    sent = pickle.dumps(grader.task(submission))
    assert grader.secret not in sent and str(submission.folder).encode() not in sent
    assert submission.notebook.read_bytes() in sent


def test_a_difference_is_named():
    here = {"Python": "3.11", "torch": "2.10", "numpy": "2.0"}
    assert ray_node.difference(here, dict(here)) == ""
    assert ray_node.difference(here, here | {"torch": "2.12"}) == "torch is 2.10 and should be 2.12"
    many = ray_node.difference({}, dict.fromkeys("abcde", "1"))
    assert many.startswith("a is missing and should be 1") and many.endswith("and 2 more")


@on_a_cluster
def test_a_killed_worker_and_one_that_hangs_lose_nothing(engine, grader, hand_in):
    engine.patience = 5.0
    class_ = [hand_in(f"s{number}", **WAITS) for number in range(6)]

    def kill_the_worker():
        until(lambda: on_the_way(engine, "first"))
        (worker,) = running("ray::Desk")
        worker.kill()
        until(lambda: any("lost its grading process" in line for line in engine.said))

    def stop_the_process():
        until(lambda: on_the_way(engine, "first"))
        for process in running("ray_node import main"):
            process.send_signal(signal.SIGSTOP)

    with Meanwhile(kill_the_worker, stop_the_process):
        found = list(engine.grade_all(class_, grader))
    assert sorted(each.submission.student for each in found) == sorted(each.student for each in class_)
    assert {each.graded.reports["q1"].points for each in found} == {4.0}
    assert any("has not answered for 5 s" in line for line in engine.said), engine.said
    until(lambda: not running("ray_node import main"))


@pytest.fixture
def another_version(tmp_path):
    """The course as somebody else has it: a grader that differs by a line."""
    shutil.copytree(PACKAGE, tmp_path / "old" / "course_utils", ignore=shutil.ignore_patterns("__pycache__"))
    with open(tmp_path / "old" / "course_utils" / "checks" / "expect.py", "a") as file:
        file.write("\n# another version\n")
    return os.pathsep.join([str(tmp_path / "old"), os.environ["PYTHONPATH"]])


@pytest.fixture
def full_disk(tmp_path):
    """A folder on a small disk of its own; None where nobody may mount one."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(place)], capture_output=True
    )
    yield place if mounted.returncode == 0 else None
    if mounted.returncode == 0:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@on_a_cluster
def test_nodes_that_differ_or_are_full_are_refused_by_name_and_a_killed_one_loses_nothing(
    nodes, engine, grader, hand_in, another_version, full_disk
):
    class_ = [hand_in(f"s{number}", **WAITS) for number in range(10)]
    others = [nodes.add("old", env_vars={"PYTHONPATH": another_version})]
    if full_disk is not None:
        others.append(nodes.add("full", env_vars={"TMPDIR": str(full_disk)}))
    doomed = nodes.add("doomed")

    def kill_a_node():
        until(lambda: on_the_way(engine, "doomed"))
        nodes.kill(doomed)

    with Meanwhile(kill_a_node):
        found = list(engine.grade_all(class_, grader))
    for other in others:
        nodes.kill(other)
    assert sorted(each.submission.student for each in found) == sorted(each.student for each in class_)
    assert {each.graded.reports["q1"].points for each in found} == {4.0}
    said = "\n".join(engine.said)
    assert (
        "old (127.0.0.1) is left out: its installation is another one: the digest of 98_toy's checks is"
        in said
    )
    assert (
        "doomed (127.0.0.1) has lost its grading process" in said or "doomed (127.0.0.1) is left out" in said
    )
    assert full_disk is None or "full (127.0.0.1) is left out: its disk is full (0.1 GB free" in said


@on_a_cluster
def test_a_killed_run_goes_on_where_it_was(nodes, hand_in, out, solutions, capsys):
    for number in range(6):
        hand_in(f"s{number}", **WAITS)
    words = [str(out.parent / "submitted"), "--out", str(out), "--solutions", str(solutions)]
    words += ["--engine", "ray", "--address", nodes.address]
    program = f"from tests.grading import toy; from course_utils.grading.desk import autograde; autograde.main({words})"
    run = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    until(lambda: list(Journal(out / "journal")))
    run.kill()
    run.wait()
    before = {entry.student: entry.learner for entry in Journal(out / "journal")}
    assert 0 < len(before) < 6
    until(lambda: not running("ray_node import main"))
    assert autograde.main([*words, "--resume"]) == 0, capsys.readouterr().err
    after = {entry.student: entry for entry in Journal(out / "journal")}
    assert sorted(after) == [f"s{number}" for number in range(6)]
    assert {student: after[student].learner for student in before} == before
    grades = (out / "grades.csv").read_text().splitlines()[1:]
    assert sorted(line.split(",")[0] for line in grades) == sorted(after)
    assert {line.split(",")[2] for line in grades} == {"6"}


def test_without_the_package_it_is_said_how_to_get_it(hand_in, out, solutions, capsys, monkeypatch):
    hand_in("ann")
    monkeypatch.setattr(autograde, "find_spec", lambda name: None)
    words = [str(out.parent / "submitted"), "--out", str(out), "--solutions", str(solutions)]
    assert autograde.main([*words, "--engine", "ray"]) == 1
    said = capsys.readouterr().err
    assert "--engine ray needs the package ray" in said and "pip install" in said

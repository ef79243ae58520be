"""`course bench grade`: how fast we grade, next to plain nbgrader, in one run and on the same submissions.

Both sides are whole programs, started afresh: plain nbgrader's `autograde` executes each released
notebook, checks and all, in a kernel of its own, and its `generate_feedback` makes the pages; ours is
`course grade`, which does both, with the sandbox on. Processor time of a program with all its children
is what counts, since a machine that does other things as well stretches wall time. What a program pays
once (imports, releasing, the gradebook) is found by giving it one submission with nothing in it, and is
stated apart.

Chapter 06 asks for a training, and a training costs both sides the same. So submissions are
counted by how far they got, and the share that is the learner's own code is shown.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from course_utils.bench.notebook import solution_notebook
from course_utils.checks import expect
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, register
from course_utils.grading.run.journal import Entry, Journal
from course_utils.install import ROOT
from course_utils.wire.answer import Answer

TRAINING = "06_full_fine_tuning"
COMPUTING = "97_computing"
#: How far learners got in chapter 06, and how many of a class of twenty: an
#: assumption, to be looked at by kind.
CLASS_OF_TWENTY = {"all answered": 12, "all but the training": 5, "half of it": 2, "nothing": 1}
ANSWERED = {
    "all answered": ("q1", "q2", "q3", "q4", "q5", "q6", "q7"),
    "all but the training": ("q1", "q2", "q3", "q4", "q5", "q7"),
    "half of it": ("q1", "q2", "q3"),
    "nothing": (),
}
NOBODY = "nobody-of-this-name"
PLAIN_CONFIG = """c = get_config()
c.CourseDirectory.root = "."
c.Execute.timeout = 3600
"""
#: What we aim at: processor time beyond what the learners' cells take, as a share of that; how many times as
#: fast as nbgrader where LITTLE was done; seconds for a submission that only computes.
OVERHEAD, RATIO, SECONDS = 0.05, 10.0, 0.5
LITTLE = "nothing"
#: What nobody has begun is asked of the first two only: so many show what the others cost.
ENOUGH = 5


# --- an exercise whose answers only compute ---------------------------------------------------------

computing = Exercise(COMPUTING, title="Only computing", minutes=5, difficulty="easy", cost="nothing")


@computing.question("q1", title="Mean", points=2, needs=("mean",))
def mean_question(answer: Answer, draw: Draw) -> None:
    numbers = [draw.random.uniform(0, 9) for _ in range(50)]
    expect.close(answer.call("mean", numbers), sum(numbers) / 50, "mean(numbers)", tolerance=1e-9)


@computing.question("q2", title="Softmax", points=2, needs=("softmax",))
def softmax_question(answer: Answer, draw: Draw) -> None:
    import torch

    scores = torch.randn(4, 9, generator=torch.Generator().manual_seed(draw.seed))
    found = answer.call("softmax", scores)
    expect.true(bool(torch.allclose(found, scores.softmax(-1))), "rows that add up to 1", "others")


register(computing)

_CELLS = {
    "setup": "from course_utils import setup\n\ncourse = setup(profile='offline')",
    "imports": "import torch\nfrom transformers import AutoTokenizer",
    "q1": (
        "def mean(numbers):\n    ### BEGIN SOLUTION\n    return sum(numbers) / len(numbers)\n"
        "    ### END SOLUTION"
    ),
    "q1-check": 'course.check("q1")',
    "q2": "def softmax(scores):\n    ### BEGIN SOLUTION\n    return scores.softmax(-1)\n    ### END SOLUTION",
    "q2-check": 'course.check("q2")',
}


# --- submissions --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Class:
    """Submissions to one exercise, where they lie, and how many there are of each kind."""

    name: str
    solutions: Path
    submitted: Path
    kinds: dict[str, int]

    @property
    def size(self) -> int:
        return sum(self.kinds.values())


def _stub(source: str) -> str:
    from course_utils.checks.testing import stub_source

    return stub_source(source)


def _hand_in(solution: dict, answered: tuple[str, ...], place: Path) -> None:
    notebook = copy.deepcopy(solution)
    for cell in notebook["cells"]:
        marks = cell["metadata"].get("nbgrader", {})
        source = "".join(cell["source"])
        if marks.get("solution") and cell["cell_type"] == "code" and marks["grade_id"] not in answered:
            source = _stub(source)
        cell["source"] = source
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(notebook), encoding="utf-8")


def _student(kind: str) -> str:
    return kind.replace(" ", "_")


def make_class(folder: Path, name: str, kinds: dict[str, int]) -> Class:
    """Write the solution and the submissions of a class under `folder`."""
    solutions, submitted = folder / "solutions", folder / "submitted"
    source = ROOT / "solutions" / name / f"{name}.ipynb"
    solution = (
        solution_notebook(_CELLS) if name == COMPUTING else json.loads(source.read_text(encoding="utf-8"))
    )
    place = solutions / name / f"{name}.ipynb"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(solution), encoding="utf-8")
    for kind, count in kinds.items():
        for number in range(count):
            student = f"{_student(kind)}_{number}"
            answered = ANSWERED.get(kind, ("q1", "q2"))
            _hand_in(solution, answered, submitted / student / name / f"{name}.ipynb")
    return Class(name, solutions, submitted, kinds)


# --- two graders --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """What a program took: seconds by the clock, processor seconds with all its children, bytes of memory."""

    wall: float
    processor: float
    memory: int


class _Memory(threading.Thread):
    """The most that a program and its children held at once, shared pages counted once (PSS)."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self.most, self._process, self._over = 0, process, threading.Event()

    def run(self) -> None:
        while not self._over.wait(1.0):
            held = 0
            with suppress(psutil.Error):
                root = psutil.Process(self._process)
                for each in [root, *root.children(recursive=True)]:
                    with suppress(psutil.Error, AttributeError):
                        held += each.memory_full_info().pss
            self.most = max(self.most, held)

    def end(self) -> int:
        self._over.set()
        self.join()
        return self.most


def _timed(command: list[str], folder: Path, failing: bool = False) -> Cost:
    """Run a program to its end. Raises `RuntimeError` with its last words if it fails and should not."""
    with open(folder / "said.txt", "w+") as said:
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, stdout=said, stderr=subprocess.STDOUT)
        memory = _Memory(process.pid)
        memory.start()
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        most = memory.end()
        if process.returncode and not failing:
            said.seek(0)
            raise RuntimeError(f"{' '.join(command)[:200]} failed:\n{said.read()[-2000:]}")
    return Cost(wall, used.ru_utime + used.ru_stime, most)


def grade_ours(group: Class, folder: Path, jobs: int) -> tuple[Cost, list[Entry]]:
    """`course grade` on a class, sandbox on; what it took, and its journal."""
    command = [sys.executable, "-m", __name__, "--ours", str(group.submitted), "--out", str(folder / "ours")]
    cost = _timed([*command, "--solutions", str(group.solutions), "--jobs", str(jobs)], folder)
    return cost, list(Journal(folder / "ours" / "journal"))


def grade_plainly(group: Class, folder: Path, only: str = "*") -> Cost:
    """Plain `nbgrader autograde` and `nbgrader generate_feedback` on the same submissions: each in a kernel
    of its own, all in two commands.

    `only` picks students by a pattern; one that matches nobody shows what the command costs by itself.
    """
    course = folder / "plain"
    if not course.exists():
        shutil.copytree(group.solutions, course / "source")
        shutil.copytree(group.submitted, course / "submitted")
        shutil.copy(folder / "ours" / "gradebook.db", course)
        (course / "nbgrader_config.py").write_text(PLAIN_CONFIG, encoding="utf-8")
    nbgrader = str(Path(sys.executable).with_name("nbgrader"))
    marks, pages = (
        _timed([nbgrader, *words, group.name, f"--student={only}"], course, failing=only == NOBODY)
        for words in (("autograde", "--create", "--force"), ("generate_feedback", "--force"))
    )
    return Cost(marks.wall + pages.wall, marks.processor + pages.processor, max(marks.memory, pages.memory))


# --- the comparison -----------------------------------------------------------------------------------


def compare(name: str, kinds: dict[str, int], weights: dict[str, int], folder: Path) -> dict:
    """Grade some submissions of each kind both ways; seconds are for one submission, after warm-up.

    `weights` is how many of each kind the class has for which the ratio is given.
    """
    group = make_class(folder, name, kinds)
    ours, entries = grade_ours(group, folder, 1)
    start = grade_plainly(group, folder, NOBODY)
    by_kind = {}
    for kind, count in kinds.items():
        say(f"plain nbgrader: {count} x {kind}")
        plain = grade_plainly(group, folder, f"{_student(kind)}_*")
        mine = [entry for entry in entries if entry.student.rpartition("_")[0] == _student(kind)]
        by_kind[kind] = _typical(mine) | {
            "plain_processor_seconds": max(plain.processor - start.processor, 0.0) / count,
            "in_a_class_of_20": weights[kind],
        }
    for figures in by_kind.values():
        figures["processor_seconds"] = figures["learner"] + figures["own"]
        figures["ratio"] = figures["plain_processor_seconds"] / figures["processor_seconds"]
    return _in_all(by_kind, weights) | {
        "exercise": name,
        "sandbox": entries[0].sandbox,
        "ungraded": sum(bool(entry.why) for entry in entries),
        "memory_of_a_worker": ours.memory,
        "memory_of_a_submission": max(entry.memory for entry in entries),
        "by_kind": by_kind,
    }


def _typical(entries: list[Entry]) -> dict[str, float]:
    """The medians: the first of a run pay for what the others find."""
    names = ("seconds", "cells", "learner", "own")
    return {name: statistics.median(getattr(entry, name) for entry in entries) for name in names}


def _in_all(by_kind: dict[str, dict], weights: dict[str, int]) -> dict[str, float]:
    def total(name: str) -> float:
        return sum(by_kind[kind][name] * count for kind, count in weights.items())

    return {
        "ratio": total("plain_processor_seconds") / total("processor_seconds"),
        "overhead": total("own") / total("learner"),
        "learners_share": total("learner") / total("processor_seconds"),
        "ratio_without_learners_cells": (total("plain_processor_seconds") - total("learner"))
        / max(total("processor_seconds") - total("learner"), 1e-9),
    }


def many(size: int, jobs: int, folder: Path) -> dict:
    """How long a class takes whose answers only compute; what comes before its first mark is the warm-up."""
    group = make_class(folder, COMPUTING, {"answered": size})
    cost, entries = grade_ours(group, folder, jobs)
    marks = sorted((folder / "ours" / "journal").rglob("*.json"), key=lambda path: path.stat().st_mtime)
    after = marks[-1].stat().st_mtime - marks[0].stat().st_mtime
    warm = [entry for entry in entries if entry.student != marks[0].stem] or entries
    return {
        "exercise": COMPUTING,
        "submissions": size,
        "jobs": jobs,
        "sandbox": entries[0].sandbox,
        "ungraded": sum(bool(entry.why) for entry in entries),
        "wall_seconds": cost.wall,
        "warm_up_seconds": cost.wall - after,
        "seconds_per_submission": after / max(size - 1, 1),
        "processor_seconds_per_submission": _typical(warm)["learner"] + _typical(warm)["own"],
        "memory_of_a_worker": cost.memory / jobs,
    }


# --- the command --------------------------------------------------------------------------------------


def say(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


def measure(full: bool, jobs: int) -> dict:
    """All figures; `full` grades the whole class of twenty both ways, and three hundred that compute."""
    kinds = CLASS_OF_TWENTY if full else dict.fromkeys(CLASS_OF_TWENTY, 1)
    kinds = kinds | {LITTLE: ENOUGH}
    with tempfile.TemporaryDirectory(prefix="course-bench-") as place:
        for name in ("training", "computing"):
            (Path(place) / name).mkdir()
        size = 300 if full else 20
        say(f"ours: {size} submissions that only compute, {jobs} at a time")
        computing_class = many(size, jobs, Path(place) / "computing")
        say(f"ours: {sum(kinds.values())} submissions of {TRAINING}, one at a time")
        training_class = compare(TRAINING, kinds, CLASS_OF_TWENTY, Path(place) / "training")
    return {
        "ratio": training_class["ratio"],
        "overhead": training_class["overhead"],
        "seconds_per_submission": computing_class["seconds_per_submission"],
        "memory": max(training_class["memory_of_a_worker"], computing_class["memory_of_a_worker"]),
        "training": training_class,
        "computing": computing_class,
    }


def as_text(found: dict) -> str:
    """The figures as a table, with what was aimed at."""
    training_class, computing_class = found["training"], found["computing"]
    lines = [
        (
            f"{training_class['exercise']}, sandbox {training_class['sandbox']}: processor seconds for "
            "one submission, its pages included"
        ),
        f"{'':<22}{'plain':>8}{'ours':>8}{'learner':>9}{'the rest':>10}{'plain':>7}{'times':>7}   in 20",
    ]
    for kind, each in training_class["by_kind"].items():
        lines.append(
            f"{kind:<22}{each['plain_processor_seconds']:>8.1f}{each['processor_seconds']:>8.1f}"
            f"{each['learner']:>9.1f}{each['own']:>10.1f}"
            f"{each['plain_processor_seconds'] - each['learner']:>7.1f}{each['ratio']:>7.1f}"
            f"   {each['in_a_class_of_20']}"
        )
    bare = training_class["ratio_without_learners_cells"]
    lines += [
        f"{'the class':<22}{'':>42}{training_class['ratio']:>7.1f}",
        f"{'without what the learners code takes on both sides':<64}{bare:>7.1f}",
        f"where {LITTLE} was done: {training_class['by_kind'][LITTLE]['ratio']:.1f} times (aim: {RATIO:g})",
        f"we add {training_class['overhead']:.1%} to the processor time of the learners' code (aim: at most "
        f"{OVERHEAD:.0%}), which is {training_class['learners_share']:.0%} of ours",
        "",
        f"{computing_class['submissions']} submissions that only compute, {computing_class['jobs']} at a "
        f"time: {computing_class['seconds_per_submission']:.2f} s each after warm-up (aim: {SECONDS:g}), "
        f"{computing_class['wall_seconds']:.0f} s in all, of which "
        f"{computing_class['warm_up_seconds']:.0f} s warm-up",
        f"memory: {found['memory'] / 2**20:,.0f} MB for one worker with what it shares, "
        f"{training_class['memory_of_a_submission'] / 2**20:,.0f} MB more for the largest submission",
    ]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """The `course bench grade` command."""
    if argv is None:
        argv = sys.argv[1:]
    if argv[:1] == ["--ours"]:
        from course_utils.grading.desk import autograde

        return autograde.main(argv[1:])
    parser = argparse.ArgumentParser(prog="course bench grade", description=__doc__.split("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    parser.add_argument(
        "--full", action="store_true", help="the whole class of 20, and 300 that compute (an hour)"
    )
    parser.add_argument(
        "--jobs", type=int, default=2, metavar="N", help="at a time, of those that compute (2)"
    )
    options = parser.parse_args(argv)
    found = measure(options.full, options.jobs)
    print(json.dumps(found, indent=1) if options.json else as_text(found))
    return 0


if __name__ == "__main__":
    # Under its own name, so that the exercise is registered where `course grade` looks for it.
    from course_utils.bench import grade as bench

    sys.exit(bench.main())

"""A class of thirty mixed submissions to the real exercises: python -m tests.grading.class_of_thirty DIR

Each is made from the exercise's own solution, and what it must get is written beside it before anything is
graded. The grader is killed with -9 half way and goes on; then the marks are exported.
"""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from course_utils.checks.framework import load_exercise
from course_utils.checks.testing import ROOT, notebook_cells, solution_path
from tests.attacks.attacked import find
from tests.grading.toy import write

WRONG = {
    "nothing": "def {name}(*arguments, **keywords):\n    return None",
    "crash": "def {name}(*arguments, **keywords):\n    raise ValueError('no')",
    "exit": "import os\nos._exit(1)",
    "no python": "def {name}(:",
}


def solutions(exercise):
    """The right answers of an exercise, by question."""
    return {
        name: source for role, name, source in notebook_cells(solution_path(exercise)) if role == "answer"
    }


def released(exercise):
    return json.loads((ROOT / "exercises" / exercise / f"{exercise}.ipynb").read_text(encoding="utf-8"))


def answered(exercise, answers):
    notebook = released(exercise)
    for name, source in answers.items():
        find(notebook, name)["source"] = source
    return notebook


def points(exercise, *without):
    """All points of the questions that are marked by machine here, but for some."""
    asked = load_exercise(exercise).questions.values()
    return sum(q.points for q in asked if not q.manual and not q.lacks and q.name not in without)


def students(exercise, alone):
    """(student, notebook or bytes, points it must get) of one exercise; `alone` is a question nothing depends on."""
    right = solutions(exercise)
    name = re.search(r"def (\w+)", right[alone])[1]
    short = exercise[:2]
    loud = "import sys, warnings\nprint('x', file=sys.stderr)\nwarnings.warn('careful', FutureWarning)\n"
    yield f"whole-{short}", answered(exercise, right), points(exercise)
    yield f"loud-{short}", answered(exercise, right | {alone: loud + right[alone]}), points(exercise)
    yield f"stub-{short}", answered(exercise, {}), 0
    for kind, source in WRONG.items():
        answers = right | {alone: source.format(name=name)}
        yield f"{kind.replace(' ', '-')}-{short}", answered(exercise, answers), points(exercise, alone)
    copied = answered(exercise, right)
    copied["cells"].append(dict(find(copied, f"{alone}-check")))
    for one in copied["cells"]:
        one.pop("id", None)
    yield f"copied-{short}", copied, points(exercise)
    forged = answered(exercise, right | {alone: "print('4 of 4 points')\n4.0"})
    find(forged, f"{alone}-check")["source"] = "4.0"
    find(forged, f"{alone}-check")["metadata"]["nbgrader"]["points"] = 100
    yield f"forger-{short}", forged, points(exercise, alone)
    thief = "import os\nos.system('cat /proc/*/environ ~/.netrc; find / -name grading.seed')\n" + right[alone]
    yield f"thief-{short}", answered(exercise, right | {alone: thief}), points(exercise)
    yield f"broken-{short}", b'{"cells": [', None
    yield f"empty-{short}", b"", None


# Half-right answers: what is changed in a right one, and the points that costs by the rubric (the parts of the check).
PARTLY = {
    "00_start_here": [
        # "what is wanted stays, known or not" is 1 of the 4 points of q2
        ("q2", "if name in chosen]", "if name in chosen and name not in known]", 1),
        # without the mask: the causal one, the one for padding and the large comparisons, which are masked, are 3 of the
        # 5 points of q4; and of q5, which uses it, "a batch with padding" is 2 of 4
        ("q4", "if mask is not None:", "if False:", 5),
        # the second of two functions is 1 of the 3 points of q7
        ("q7", "math.isqrt(memory // (4 * layers * heads))", "memory // (4 * layers * heads)", 1),
    ],
    "02_datasets": [
        # chunks that hold only what the one before held: "no chunk without a new token" is 1 of 3
        ("q2", "last = max(len(tokens) - stride, 1) if tokens else 0", "last = len(tokens)", 1),
        # no licence on the card: 1 of 2
        ("q7", '"license: apache-2.0", ', "", 1),
    ],
    "04_evaluation": [
        # articles are not left out: exact match and token F1 are wrong, macro F1 is right: 2 of 3 lost
        ("q1", 'if word not in ("a", "an", "the")', "", 2),
        # capitals count: "on real text" is 1 of 3
        ("q2", "text.lower()", "text", 1),
        # not sorted: "the worst change comes first" is 1 of 3
        ("q7", 'sorted(lines, key=lambda line: line["change"])', "lines", 1),
    ],
}


def half_right(exercise):
    """(student, notebook, points it must get) for each half-right answer."""
    right = solutions(exercise)
    for question, old, new, lost in PARTLY[exercise]:
        assert old in right[question], (exercise, question)
        answers = right | {question: right[question].replace(old, new)}
        yield f"half-{question}-{exercise[:2]}", answered(exercise, answers), points(exercise) - lost


# exercise -> a question that nothing else depends on, and the kinds of students that are left out there
CLASS = {
    "00_start_here": ("q7", ("crash", "no-python")),
    "02_datasets": ("q2", ("broken", "empty", "exit")),
    "04_evaluation": (
        "q7",
        ("loud", "crash", "exit", "no-python", "copied", "forger", "thief", "broken", "empty"),
    ),
}


def hand_in(folder):
    """Write the class; returns what each submission must get, by (student, exercise)."""
    expected = {}
    for exercise, (alone, left_out) in CLASS.items():
        for student, notebook, score in (*students(exercise, alone), *half_right(exercise)):
            if student.startswith(left_out):
                continue
            path = folder / student / exercise / f"{exercise}.ipynb"
            if isinstance(notebook, bytes):
                path.parent.mkdir(parents=True)
                path.write_bytes(notebook)
            else:
                write(path, notebook)
            expected[student, exercise] = score
    return expected


def command(folder, *more):
    return [
        sys.executable,
        "-m",
        "course_utils.cli",
        "grade",
        str(folder / "submitted"),
        "--out",
        str(folder / "class"),
        *more,
    ]


def grade_killed_half_way(folder, total):
    """Start the grader and kill it with -9 when half of the class is graded; returns how many were."""
    journal = folder / "class" / "journal"
    process = subprocess.Popen(
        command(folder), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None and len(list(journal.glob("*/*.json"))) < total // 2:
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return {path.name: path.stat().st_mtime_ns for path in journal.glob("*/*.json")}


def grade_the_rest(folder):
    return subprocess.run(command(folder, "--resume"), cwd=ROOT, capture_output=True, text=True)


def results(folder):
    """The scores by (student, exercise) and question, each found once."""
    found = {}
    for line in (folder / "class" / "results.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        rows = found.setdefault((row["student"], row["exercise"]), {})
        assert row["question"] not in rows, row
        rows[row["question"]] = row
    return found


def main(folder):
    expected = hand_in(folder / "submitted")
    started = time.monotonic()
    before = grade_killed_half_way(folder, len(expected))
    print(
        f"killed with -9 after {time.monotonic() - started:.0f} s; {len(before)} of {len(expected)} were graded"
    )
    done = grade_the_rest(folder)
    print(f"resumed: exit code {done.returncode}, {time.monotonic() - started:.0f} s in all")
    found, faults = results(folder), 0
    for key, score in expected.items():
        scores = {name: row["score"] for name, row in found[key].items() if row["status"] != "by hand"}
        earned = None if None in scores.values() else sum(scores.values())
        faults += earned != score
        missed = {
            name: row["score"]
            for name, row in found[key].items()
            if row["score"] != row["max"] and row["status"] != "by hand"
        }
        print(
            f"{key[0]:<14} {key[1]:<16} must get {score!s:>5}  got {earned!s:>5}  {'ok ' if earned == score else 'NOT'}  {missed if score else ''}"
        )
    print(f"{len(expected)} submissions, {faults} with another mark than written down beforehand")
    for exercise in CLASS:
        for kind in ("canvas", "moodle"):
            out = folder / f"{exercise}-{kind}.csv"
            subprocess.run([sys.executable, "-m", "course_utils.cli", "export", str(folder / "class"), "--to", kind, "--exercise", exercise, "--out", str(out)], cwd=ROOT, check=True)  # fmt: skip
    return faults


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.mkdir(parents=True)
    sys.exit(main(place))

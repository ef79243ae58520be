"""What counts of a submission, what it costs when it goes wrong, and that marks come from checks alone."""

import base64
import copy
import dataclasses
import json
import time

import pytest

from course_utils.checks import render
from course_utils.grading.run import executor
from course_utils.grading.run.executor import Clocks, cleaned
from course_utils.grading.run.reading import Cell, Ungradable, read_submission
from course_utils.grading.run.warm import SandboxError
from course_utils.install import ROOT
from tests.grading import toy

UNTOUCHED = [Cell("code", 'course.check("q1")', grade_id="q1-check")]
HALF = {"q1": toy.ANSWERS["q1"]}


def points(graded):
    return {name: report.points for name, report in graded.reports.items()}


def test_a_solution_gets_all_a_stub_nothing_and_half_a_half(released, grade):
    assert points(grade(toy.submission(released, **toy.ANSWERS))) == {"q1": 4, "q2": 2}
    assert points(grade(released)) == {"q1": 0, "q2": 0}
    assert points(grade(toy.submission(released, **HALF))) == {"q1": 4, "q2": 0}


def test_partial_credit(released, grade):
    # Right on the first draw only: remembers one answer and gives it again.
    lazy = "seen = []\ndef double(n):\n    seen.append(n)\n    return 2 * seen[0]"
    assert points(grade(toy.submission(released, q1=lazy)))["q1"] == 1


def test_a_stub_is_told_kindly(released, grade):
    assert {report.rung for report in grade(released).reports.values()} == {"not started"}


@pytest.mark.parametrize(
    "wrong",
    [
        "def double(n): return n",
        "def double(n): return str(2 * n)",
        "def double(n): return 2.5 * n",
        "double = 2",
        "def double(n): raise ValueError(n)",
        "class Liar:\n    def __eq__(self, other): return True\ndef double(n): return Liar()",
        "def double(n):\n    import sys; sys.exit(0)",
    ],
)
def test_wrong_answers_are_caught(released, grade, wrong):
    graded = grade(toy.submission(released, q1=wrong, q2=toy.ANSWERS["q2"]))
    assert points(graded) == {"q1": 0, "q2": 2}


def test_a_crash_shows_its_last_line(released, grade):
    report = grade(toy.submission(released, q1="def double(n):\n    raise ValueError('odd')")).reports["q1"]
    assert "ValueError: odd at: raise ValueError('odd') (line 2)" in render.report_text(report)


@pytest.mark.parametrize(
    "noise",
    [
        "import sys; print('warning', file=sys.stderr)",
        "import warnings; warnings.warn('deprecated', FutureWarning)",
        "from tqdm.auto import tqdm\nfor _ in tqdm(range(3)): pass",
        "from IPython.display import display, HTML; display(HTML('<b>x</b>'))",
        "0",
        "float('nan')",
        "'full marks'",
        "1 / 0",
    ],
)
def test_noise_keeps_the_points(released, grade, noise):
    graded = grade(
        toy.submission(released, q1=toy.ANSWERS["q1"] + "\n" + noise, q2=noise + "\n" + toy.ANSWERS["q2"])
    )
    assert points(graded)["q1"] == 4
    assert points(graded)["q2"] == (0 if noise == "1 / 0" else 2)


LOOPS = {
    "in a call": "def double(n):\n    while True: pass",
    "in the cell": "while True: pass",
    "deaf to interrupts": "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
    "catches interrupts": "import time\nwhile True:\n    try:\n        time.sleep(9)\n    except BaseException: pass",
    "exit": "import os; os._exit(0)",
    "exit in a call": "def double(n):\n    import os; os._exit(0)",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "closes its pipes": "import os; os.closerange(3, 64)",
}


PATIENT = {"in the cell", "deaf to interrupts", "catches interrupts"}  # a cell's clock has to run down


@pytest.mark.parametrize(
    "loop", [pytest.param(name, marks=[pytest.mark.slow] * (name in PATIENT)) for name in LOOPS]
)
def test_what_never_ends_or_dies_costs_its_question_only(released, grade, loop, monkeypatch):
    impatient = dataclasses.replace(toy.exercise.find("q1"), seconds=5)
    monkeypatch.setitem(toy.exercise.questions, "q1", impatient)
    clocks = Clocks(cell=8, interrupt=5, total=1200)  # of the processor: a busy machine is no matter
    graded = grade(toy.submission(released, q1=LOOPS[loop], q2=toy.ANSWERS["q2"]), clocks=clocks)
    assert points(graded) == {"q1": 0, "q2": 2}


def test_what_ran_before_a_death_is_there_after_it(released, grade):
    dies = "before = 1\ndef double(n):\n    import os; os._exit(1)"
    graded = grade(toy.submission(released, q1=dies, q2="assert before\n" + toy.ANSWERS["q2"]))
    assert points(graded) == {"q1": 0, "q2": 2}


def test_the_cell_that_ended_the_process_says_so(released, grade):
    graded = grade(toy.submission(released, q2="import os; os._exit(1)"))
    assert "ended in this cell" in json.dumps(graded.notebook)


@pytest.mark.slow
def test_the_whole_notebook_has_a_clock(released, grade):
    started = time.monotonic()
    clocks = Clocks(cell=600, total=40, interrupt=1)
    graded = grade(
        toy.submission(released, q1=toy.ANSWERS["q1"], q2="import time; time.sleep(999)"), clocks=clocks
    )
    assert points(graded) == {"q1": 4, "q2": 0}
    assert time.monotonic() - started < 600  # the bound is for a busy machine


def test_copied_moved_and_id_less_cells_are_harmless(released, grade):
    honest = toy.submission(released, **toy.ANSWERS)
    copied = copy.deepcopy(honest)
    copied["cells"] += [copy.deepcopy(cell) for cell in honest["cells"]]
    with_stub_after = copy.deepcopy(honest)
    with_stub_after["cells"] += copy.deepcopy(released["cells"])
    moved = copy.deepcopy(honest)
    moved["cells"].reverse()
    id_less = copy.deepcopy(honest)
    for cell in id_less["cells"]:
        del cell["id"]
    bare = copy.deepcopy(honest)
    for cell in bare["cells"]:
        cell["metadata"] = {}
    for notebook in (copied, with_stub_after, moved, id_less, bare):
        assert points(grade(notebook)) == {"q1": 4, "q2": 2}


def test_nothing_else_of_a_submission_counts(released, grade):
    forged = copy.deepcopy(released)
    forged["metadata"] = {"kernelspec": {"name": "evil", "display_name": "", "language": "python"}}
    for cell in forged["cells"]:
        marks = cell["metadata"].get("nbgrader", {})
        if marks.get("grade"):
            marks["points"] = 1000
            cell["metadata"]["tags"] = ["skip-execution"]
            cell["source"] = "1000"
            cell["outputs"] = [
                {
                    "output_type": "execute_result",
                    "data": {"text/plain": "1000"},
                    "metadata": {},
                    "execution_count": 1,
                }
            ]
    forged["cells"].insert(
        0, toy.cell("code", "extra", "def double(n): return 2 * n\ncounts = {'a': 2, 'b': 1}")
    )
    graded = grade(forged)
    assert points(graded) == {"q1": 0, "q2": 0}
    checks = [cell.source for cell in graded.notebook.cells if executor.question_of(cell)]
    assert checks == ['course.check("q1")', 'course.check("q2")']
    assert "skip-execution" not in json.dumps(graded.notebook)


def test_the_check_cell_is_never_run_in_the_child(released, grade):
    graded = grade(toy.submission(released, **toy.ANSWERS))
    assert "NameError" not in json.dumps(graded.notebook)  # `course` does not exist there


def test_the_same_secret_gives_the_same_words_and_another_student_other_data(released, grade):
    wrong = toy.submission(released, q1="def double(n): return 0")
    one, again, other = (
        render.report_text(grade(wrong, student).reports["q1"]) for student in ("ann", "ann", "bob")
    )
    assert one == again
    assert one != other


def test_points_stand_where_nbgrader_reads_them(released, grade):
    from nbgrader.utils import determine_grade

    graded = grade(toy.submission(released, q1="def double(n): return n", **{"q2": toy.ANSWERS["q2"]}))
    cells = {
        cell.metadata.nbgrader.grade_id: cell for cell in graded.notebook.cells if "nbgrader" in cell.metadata
    }
    assert determine_grade(cells["q1-check"]) == (0, 4)
    assert determine_grade(cells["q2-check"]) == (2, 2)


def test_progress_names_the_questions(released, grade, released_path, tmp_path):
    said = []
    executor.grade(
        executor.read_released(released_path),
        UNTOUCHED,
        toy.exercise,
        executor.public_keys,
        progress=said.append,
    )
    assert said == ["q1 Double", "q2 Count words"]


BROKEN = {
    "empty": b"",
    "a list": b"[1]",
    "no cells": b"{}",
    "cells no list": b'{"cells": 3}',
    "half": b'{"cells": [',
    "not utf-8": b"\xff\xfe{}",
    "brackets": b"[" * 100_000,
    "null": b"null",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_notebook_is_ungradable(tmp_path, name):
    path = tmp_path / "x.ipynb"
    path.write_bytes(BROKEN[name])
    with pytest.raises(Ungradable, match="x.ipynb"):
        read_submission(path)


def test_a_link_is_not_followed(tmp_path, released_path):
    link = tmp_path / "x.ipynb"
    link.symlink_to(released_path)
    with pytest.raises(Ungradable, match="plain file"):
        read_submission(link)


def test_odd_cells_are_passed_over(tmp_path):
    cells = [
        3,
        None,
        {},
        {"metadata": 3},
        {"metadata": {"nbgrader": []}},
        {"id": 5, "source": 1},
        {"id": "a", "source": ["x", 3]},
        {"metadata": {"nbgrader": {"grade_id": "q1"}}, "source": ["a\n", "b"]},
    ]
    path = toy.write(tmp_path / "x.ipynb", {"cells": cells})
    assert [(cell.source, cell.ids, cell.grade_id) for cell in read_submission(path)] == [
        *[("", (), None)] * 4,
        ("", ("a",), None),
        ("a\nb", (), "q1"),
    ]


def test_halves_of_characters_are_replaced(released_path, tmp_path):
    """JSON can say them, and no file can hold them: the marks could not be written."""
    path = tmp_path / "x.ipynb"
    path.write_text(
        '{"cells": [{"metadata": {"nbgrader": {"grade_id": "q1"}}, "source": "x = \'\\ud800\'"}]}'
    )
    assert read_submission(path) == [Cell("", "x = '?'", grade_id="q1")]


def test_claimed_outputs_are_cleaned():
    png = "iVBORw0KGgo="
    claims = [
        3,
        {"output_type": "evil"},
        {"output_type": "stream", "name": "stdout\n", "text": "\x1b[1ma\x00b\r"},
        {
            "output_type": "display_data",
            "data": {
                "text/html": "<script>",
                "application/javascript": "x",
                "text/plain": "t",
                "image/png": png,
            },
        },
        {"output_type": "execute_result", "data": {"text/plain": 5, "image/png": "<svg>", "image/jpeg": png}},
        {"output_type": "error", "ename": 3, "evalue": "e", "traceback": "t"},
    ]
    outputs = cleaned(claims)
    assert [output.output_type for output in outputs] == ["stream", "display_data", "execute_result", "error"]
    assert outputs[0].text == "\x1b[1ma�b\r"
    assert dict(outputs[1].data) == {"text/plain": "t", "image/png": png}
    assert dict(outputs[2].data) == {"text/plain": ""}


def test_what_is_shown_of_a_notebook_is_bounded():
    left = executor.Allowance()
    claims = [{"output_type": "stream", "name": "stdout", "text": "x" * 60_000}] * 150
    sizes = []
    for _ in range(8):
        outputs = cleaned(claims, left)
        sizes.append(sum(len(output.text) for output in outputs))
        assert "left out" in outputs[-1].text
    assert sizes[:4] == [sizes[0]] * 4
    assert sizes[0] < 100_100
    assert sizes[4:] == [sizes[-1]] * 4
    assert sizes[-1] < 100
    assert left.text == 0


def test_pictures_are_bounded_too():
    picture = base64.b64encode(b"\x89PNG" + bytes(700_000)).decode()
    claims = [{"output_type": "display_data", "data": {"image/png": picture, "text/plain": "x"}}] * 20
    outputs = cleaned(claims)
    assert sum("image/png" in output.data for output in outputs) == 4
    assert len(outputs) == 20


class Barren:
    """A nursery whose children do not come."""

    level = "none"

    def __init__(self, error):
        self.error, self.asked = error, 0

    def start(self):
        self.asked += 1
        raise self.error


@pytest.mark.parametrize(
    ("error", "tries"), [(ConnectionError("gone"), executor.STARTS), (SandboxError("no sandbox holds"), 1)]
)
def test_a_child_that_does_not_start_is_nobodys_zero(released_path, error, tries):
    nursery = Barren(error)
    with pytest.raises(Ungradable, match="did not start|no sandbox"):
        executor.grade(
            executor.read_released(released_path),
            UNTOUCHED,
            toy.exercise,
            executor.public_keys,
            nursery=nursery,
        )
    assert nursery.asked == tries


def test_no_release():
    with pytest.raises(Ungradable, match="course release"):
        executor.read_released(ROOT / "exercises" / "none.ipynb")

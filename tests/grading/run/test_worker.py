"""The child's shell: outputs, errors, magics, and their bounds."""

import subprocess
import sys
import textwrap
import time

import pytest

from course_utils.grading.run.executor import Clocks, Notebook
from course_utils.grading.run.worker import ENDLESS_CHARACTERS, MOST_OUTPUTS, OUTPUT_CHARACTERS, Outputs
from course_utils.grading.sandbox import places
from course_utils.install import ROOT


@pytest.fixture
def child():
    """One for each test: a warm process has one child at a time, so one that is kept would not outlive another test's."""
    with Notebook(Clocks(cell=120)) as running:
        yield running


def only(outputs, kind):
    return [output for output in outputs if output["output_type"] == kind]


def test_text_and_values(child):
    outputs = child.run("import sys\nprint('one'); print('two')\nprint('three', file=sys.stderr)\n40 + 2")
    assert outputs[0] == {"output_type": "stream", "name": "stdout", "text": "one\ntwo\n"}
    assert outputs[1]["name"] == "stderr"
    assert outputs[2] == {"output_type": "execute_result", "data": {"text/plain": "42"}}


def test_a_semicolon_silences(child):
    assert child.run("40 + 2;") in ([], child.run("41 + 2;"))


def test_names_stay(child):
    child.run("kept = 5")
    assert child.run("kept")[0]["data"]["text/plain"] == "5"


def test_an_error_is_an_output(child):
    error = only(child.run("def f():\n    return 1 / 0\nf()"), "error")[0]
    assert error["ename"] == "ZeroDivisionError"
    assert "return 1 / 0" in "\n".join(error["traceback"])


def test_a_syntax_error_is_an_output(child):
    assert only(child.run("def f(:"), "error")[0]["ename"] == "SyntaxError"


def test_magics_and_the_system(child):
    assert "CPU times" in child.run("%time 1")[0]["text"]
    assert child.run("!echo hello")[0]["text"].strip() == "hello"
    assert child.run("%%capture seen\nprint(3)") == []


def test_await(child):
    assert child.run("import asyncio\nawait asyncio.sleep(0, 'done')")[0]["data"]["text/plain"] == "'done'"


def test_a_picture(child):
    outputs = child.run("import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.show()")
    assert any(
        output["data"].get("image/png", "").startswith("iVBOR") for output in only(outputs, "display_data")
    )


def test_carriage_returns_start_the_line_again():
    outputs = Outputs()
    for step in range(3):
        outputs.text("stderr", f"\rstep {step}")
    outputs.text("stderr", "\ndone\n")
    assert outputs.items[0]["text"] == "step 2\ndone\n"


def test_output_is_bounded(child):
    outputs = child.run("for n in range(4 * 10**4): print('x' * 100)")
    assert sum(len(output["text"]) for output in outputs) <= OUTPUT_CHARACTERS
    many = child.run(f"for n in range({2 * MOST_OUTPUTS}): display(n)")
    assert len(many) == MOST_OUTPUTS


def test_checks_cannot_be_imported(child):
    package = ROOT / "course_utils"
    files = [*(package / "checks").rglob("*.py"), *(package / "grading").rglob("*.py")]
    outside = [file for file in files if file.relative_to(package).as_posix() not in places.INSIDE]
    modules = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in outside]
    assert len(modules) > 40, "chapters, the learner's side, the desk and the gradebook are among them"
    tried = """
        import importlib
        for module in MODULES:
            try:
                if importlib.import_module(module.removesuffix(".__init__")).__dict__.get("__file__"):
                    print("imported", module)  # and not a stand-in, which has no file
            except ModuleNotFoundError:
                pass
    """
    assert not child.run(f"MODULES = {modules!r}\n" + textwrap.dedent(tried))


def test_a_check_inside_an_answer_costs_nothing(child):
    source = "from course_utils.course import Course\ncourse = Course('offline', 'cpu', 0, None, '98_toy')\n"
    outputs = child.run(source + "course.check('q1'); course.hint('q1'); course.card()\n'went on'")
    assert "checked from outside" in outputs[0]["text"]
    assert outputs[1]["data"]["text/plain"] == "'went on'"


def test_the_environment_holds_nothing_of_the_graders(child, monkeypatch):
    text = child.run("import os; print(sorted(os.environ), os.getcwd())")[0]["text"]
    for name in ("PYTHONPATH", "HF_TOKEN", "NBGRADER", "VIRTUAL_ENV", "PWD"):
        assert f"'{name}'" not in text
    assert "/scratch" in text or "course-worker-" in text


def test_a_secret_in_the_graders_environment_does_not_pass(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    with Notebook(Clocks()) as running:
        assert "None" in running.run("import os; print(os.environ.get('HF_TOKEN'))")[0]["text"]


def test_a_local_file_shadows_no_module(child):
    child.run("open('json.py', 'w').write('raise SystemExit')")
    assert (
        child.run("import json, importlib; importlib.reload(json).dumps(1)")[0]["data"]["text/plain"] == "'1'"
    )


def test_the_child_uses_our_copy_of_the_package_and_nothing_beside_it(child):
    source = "import sys, course_utils; print(course_utils.__file__); print([p for p in sys.path if p == sys.argv[1]])"
    assert child.run(source)[0]["text"].splitlines() == [
        str(ROOT / "course_utils" / "__init__.py"),
        "[]",
    ]


def test_importing_the_worker_is_light():
    code = "import sys, course_utils.grading.run.worker; print([m for m in ('torch', 'nbgrader', 'course_utils.checks') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT).strip() == "[]"


def test_a_child_starts_soon():
    with Notebook(Clocks()):  # the first one builds the sandbox
        pass
    started = time.monotonic()
    with Notebook(Clocks()):
        pass
    assert time.monotonic() - started < 120  # 0.3 s on a free core; the bound is for a busy machine


ENDLESS = {
    "prints": "while True:\n    print('still here')",
    "prints whatever happens": "while True:\n    try:\n        print('still here')\n    except Exception:\n        pass",
    "displays": "while True:\n    display('still here')",
    "clears what it shows": "from IPython.display import clear_output\nwhile True:\n    print('x' * 9999)\n    clear_output()",
    "has a program print": "!yes",
}


@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS)
def test_a_cell_that_writes_without_end_is_stopped_long_before_its_time(child, source):
    begun = time.process_time()
    error = only(child.run(source), "error")[0]  # its clock allows 120 s
    assert error["ename"] == "TooMuchOutput"
    assert f"more than {ENDLESS_CHARACTERS:,} characters" in error["evalue"]
    assert time.process_time() - begun < 60, "the grader itself has next to nothing to do"
    assert child.run("print('the next cell')")[0]["text"] == "the next cell\n"


def test_much_output_is_not_endless(child):
    outputs = child.run("for _ in range(40_000):\n    print('x' * 99)\n'and on'")
    assert not only(outputs, "error")

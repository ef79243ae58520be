"""Honest work keeps its points, whatever it prints and however its file was handled; a mistake costs what depends on it."""

import copy
import csv
import json
import shutil

import pytest

from course_utils.grading.desk import autograde
from course_utils.grading.gradebook.release import build
from tests.attacks import attacked
from tests.attacks.attacked import HONEST, find, solution_notebook
from tests.grading.toy import write

pytestmark = pytest.mark.slow
NAME = attacked.NAME
WHOLE = {"q1": 4, "q2": 2, "q3": 3, "q4": 0}
Q1 = HONEST["q1"]


def loud(words, source=Q1):
    """An honest answer in a cell that does something besides, before it and while it is asked."""
    inside = words.replace("\n", "\n    ")
    return f"{words}\n{source.replace('return', inside + chr(10) + '    return')}"


NOISE = {
    "a warning on stderr": "import warnings\nwarnings.warn('careful')",
    "a FutureWarning": "import warnings\nwarnings.warn('soon', FutureWarning)",
    "words on stderr": "import sys\nprint('oh', file=sys.stderr)",
    "a progress bar": "from tqdm.auto import tqdm\nlist(tqdm(range(3)))",
    "a plain progress bar": "from tqdm import tqdm\nlist(tqdm(range(3)))",
    "logging": "import logging\nlogging.warning('note')\nlogging.getLogger('x').error('note')",
    "much output": "print('x' * 500_000)",
    "a shown value": "from IPython.display import display, Markdown\ndisplay({'a': 1}, Markdown('**x**'))",
    "a program's output": "import subprocess\nsubprocess.run(['echo', 'x'])",
    "its own clear_output": "from IPython.display import clear_output\nclear_output(wait=True)",
}
MAGICS = {
    "a line magic": "%time x = 1\n!echo hello\n" + Q1,
    "a cell magic": "%%time\n" + Q1,
    "a check at the end of the answer": Q1
    + "\ncourse = __import__('course_utils').setup(exercise='97_attacked')\ncourse.check('q1')",
    "files of its own": "open('mine.txt', 'w').write('x')\n" + Q1 + "\nassert open('mine.txt').read() == 'x'",
    "threads that end": "from concurrent.futures import ThreadPoolExecutor\nlist(ThreadPoolExecutor(2).map(str, [1]))\n"
    + Q1,
    "a function by another way": "double = lambda number: number << 1",
    "a numpy number": "def double(number):\n    return np.int64(2) * number",
    "a file of its own that it imports": "open('helper.py', 'w').write('two = 2')\nimport sys; sys.path.insert(0, '.')\nfrom helper import two\ndef double(number):\n    return two * number",
}


def without_ids(notebook):
    for one in notebook["cells"]:
        one.pop("id")
    notebook["nbformat_minor"] = 4


def copied_cells(notebook):
    """Test and answer cells copied by accident, ids and all; the copy of an answer is still the stub."""
    for name, place in (("q1-check", 0), ("q2-check", 5)):
        notebook["cells"].insert(place, copy.deepcopy(find(notebook, name)))
    stub = copy.deepcopy(find(notebook, "q1"))
    stub["source"] = "def double(number):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
    notebook["cells"].append(stub)


def moved_cells(notebook):
    notebook["cells"].append(notebook["cells"].pop(notebook["cells"].index(find(notebook, "q1"))))


def split_and_joined(notebook):
    """Cells of the learner's own between the given ones."""
    own = {"cell_type": "code", "metadata": {}, "source": "1 / 0", "outputs": [], "execution_count": None}
    for place in (3, 1, 0):
        notebook["cells"].insert(place, dict(own, id=f"own{place}"))


def old_outputs(notebook):
    for one in notebook["cells"]:
        if one["cell_type"] == "code":
            one["outputs"] = [{"output_type": "stream", "name": "stderr", "text": "Traceback"}]


def lines(notebook):
    """Sources as lists of lines, as Jupyter itself saves them."""
    for one in notebook["cells"]:
        one["source"] = "".join(one["source"]).splitlines(keepends=True)


def other_editor(notebook):
    notebook["metadata"] = {"colab": {}, "kernelspec": {"name": "conda-env-x", "display_name": "x"}}
    for one in notebook["cells"]:
        one["metadata"] |= {"scrolled": True, "vscode": {"languageId": "python"}, "tags": ["mine"]}


HANDLED = {f.__name__: f for f in (without_ids, copied_cells, moved_cells, split_and_joined, old_outputs, lines, other_editor)}  # fmt: skip
MISTAKES = {
    # the answers that differ, the points that are left, and words of the report
    "a crash in one cell": ({"q1": "1 / 0"}, {"q1": 0}, "`double` to be defined"),
    "a cell that is no Python": ({"q2": "def count(words:"}, {"q2": 0}, "`count` to be defined"),
    "half of a question": ({"q1": "seen = []\ndef double(number):\n    seen.append(number)\n    return 2 * number if len(seen) < 3 else 0"}, {"q1": 1}, "every number: 0 of 3"),
    "a process that ends": ({"q1": "import os\nos._exit(1)"}, {"q1": 0}, "`double` to be defined"),
    "a call that ends it": ({"q2": "def count(words):\n    import os\n    os._exit(1)"}, {"q2": 0}, "process"),
    "what a later cell breaks": ({"q3": HONEST["q3"] + "\ndel double"}, {}, ""),
    "a stub": ({"q3": "def scale(rows, factor):\n    raise NotImplementedError()"}, {"q3": 0}, "not started"),
}  # fmt: skip


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """All these students graded in one class: their results by student and question, and their rows of grades.csv."""
    folder = tmp_path_factory.mktemp("fair")
    write(folder / "solutions" / NAME / f"{NAME}.ipynb", solution_notebook())
    out = folder / "out"
    build(folder / "solutions", folder / "exercises", [NAME])
    released = json.loads((folder / "exercises" / NAME / f"{NAME}.ipynb").read_text())
    submitted = folder / "submitted"
    for number, notebook in enumerate(notebooks(released).values()):
        write(submitted / f"s{number:02}" / NAME / f"{NAME}.ipynb", notebook)
    place = submitted / "s00" / NAME
    for name, data in (
        ("Untitled.ipynb", "{}"),
        ("timestamp.txt", "yesterday"),
        ("notes.txt", "x"),
        ("numpy.py", "1 / 0"),
    ):
        (place / name).write_text(data)
    assert autograde.main([str(submitted), "--out", str(out), "--solutions", str(folder / "solutions")]) == 0
    students = list(notebooks(released))
    rows = {}
    for line in (out / "results.jsonl").read_text().splitlines():
        row = json.loads(line)
        rows.setdefault(students[int(row["student"][1:])], {})[row["question"]] = row
    with open(out / "grades.csv", newline="") as file:
        grades = {students[int(row["student"][1:])]: row for row in csv.DictReader(file)}
    yield rows, grades
    shutil.rmtree(folder, ignore_errors=True)


def notebooks(released):
    """Every student's notebook, by what is special about it."""
    made = {"other files beside it": attacked.answered(released, **HONEST)}
    for name, words in NOISE.items():
        made[name] = attacked.answered(released, **HONEST | {"q1": loud(words)})
    for name, source in MAGICS.items():
        made[name] = attacked.answered(released, **HONEST | {"q1": source})
    for name, handle in HANDLED.items():
        made[name] = attacked.answered(released, **HONEST)
        handle(made[name])
    for name, (answers, _, _) in MISTAKES.items():
        made[name] = attacked.answered(released, **HONEST | answers)
    return made


def scores(rows):
    return {name: rows[name]["score"] for name in WHOLE}


@pytest.mark.parametrize("name", ["other files beside it", *NOISE, *MAGICS, *HANDLED])
def test_honest_work_keeps_its_points(graded, name):
    rows, grades = graded
    assert scores(rows[name]) == WHOLE, rows[name]
    assert float(grades[name]["score"]) == sum(WHOLE.values())


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_costs_what_depends_on_it(graded, name):
    rows, _ = graded
    _, points, words = MISTAKES[name]
    assert scores(rows[name]) == WHOLE | points, rows[name]
    assert words in " ".join(row["message"] for row in rows[name].values())


def test_a_question_whose_needs_are_missing_says_so(graded):
    rows, _ = graded
    assert "expected `double` to be defined" in rows["a crash in one cell"]["q1"]["message"]
    assert rows["a crash in one cell"]["q2"]["message"].startswith("q2  Count words: 2 of 2 points")

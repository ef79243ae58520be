"""Every notebook runs from top to bottom, in its time, and is committed in a state fit to be read.

Comparison: no cell may raise (unless tagged `raises-exception`); cells marked `# NBVAL_CHECK_OUTPUT` must print what
is stored, numbers aside (tests/nbval.cfg). Time: a notebook states `"course": {"seconds": n}` in its metadata, the
wall-clock time on two cores; since the tests share the machine, what is held against it is processor time, of which
two cores give at most 2 n.

All notebooks are read in every run of the tests; which of them run, `tests/notebook_choice.py` decides.
"""

import re
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from course_utils.lab import FIRST_PAGE
from tests.notebook_choice import notebooks
from tests.notebook_keys import Tree
from tests.notebook_run import run

ROOT = Path(__file__).resolve().parent.parent
CORES = 2
MOST_SECONDS = 90  # what a notebook may take where its metadata states nothing
LONGEST_CELL = 25  # lines
PRIVATE_PATHS = re.compile(r"(?<![\w.])/(root|home|Users|work|tmp)/[\w.-]+")


LESSONS = notebooks("lessons")
EVERY = notebooks("lessons", "solutions", "exercises")


def name(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.slow
@pytest.mark.parametrize("path", EVERY, ids=name)
def test_it_runs_from_top_to_bottom_in_its_time(path, tmp_path, record_property):
    key = Tree(ROOT).key(path)
    code, said, seconds = run(path, tmp_path)
    if Tree(ROOT).key(path) == key:  # nobody wrote in the files meanwhile
        record_property("notebook", [name(path), key, round(seconds, 1)])
    assert code == 0, said
    stated = nbformat.read(path, as_version=4).metadata.get("course", {}).get("seconds", MOST_SECONDS)
    assert seconds <= CORES * stated, (
        f"{name(path)} took {seconds:.0f} processor seconds; it states {stated} s"
    )


@pytest.mark.parametrize("path", EVERY, ids=name)
def test_it_is_sound(path):
    assert not faults(nbformat.read(path, as_version=4))


@pytest.mark.parametrize("path", LESSONS, ids=name)
def test_a_lesson_is_committed_with_the_outputs_of_one_run(path):
    assert not faults_of_outputs(nbformat.read(path, as_version=4))


@pytest.mark.parametrize("path", notebooks("exercises"), ids=name)
def test_a_released_exercise_has_no_outputs(path):
    cells = nbformat.read(path, as_version=4).cells
    assert not [cell.id for cell in cells if cell.get("outputs") or cell.get("execution_count")]


@pytest.mark.parametrize("path", notebooks("exercises"), ids=name)
def test_an_exercise_is_done_on_what_its_marks_are_made_on(path):
    code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    calls = [call for source in code for call in re.findall(r"\bsetup\([^)]*\)", source)]
    assert calls == [f'setup(exercise="{path.stem}", profile="offline")']


def faults(notebook):
    """What is wrong with a notebook as a file, whatever it is for."""
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        return [str(error).partition("\n")[0]]
    found = [f"{cell.id}: no cell has an id of its own" for cell in notebook.cells if not cell.get("id")]
    for cell in notebook.cells:
        lines = len(cell.source.splitlines())
        if cell.cell_type == "code" and lines > LONGEST_CELL:
            found.append(f"{cell.id}: {lines} lines of code, more than {LONGEST_CELL}")
        if PRIVATE_PATHS.search(cell.source):
            found.append(f"{cell.id}: names a path of one machine")
    return found


def faults_of_outputs(notebook):
    """Stored outputs come from one run, top to bottom, without errors, warnings or paths of the writer's machine."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    found = []
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        found.append("the cells were not run once each in order")
    for cell in code:
        tags = cell.metadata.get("tags", [])
        for output in cell.outputs:
            if output.output_type == "error" and "raises-exception" not in tags:
                found.append(f"{cell.id}: stores an error")
            if output.output_type == "stream" and output.name == "stderr":
                found.append(f"{cell.id}: stores warnings or progress on stderr")
            if PRIVATE_PATHS.search(
                output.get("text", "") + str(output.get("data", {}).get("text/plain", ""))
            ):
                found.append(f"{cell.id}: shows a path of the writer's machine")
    return found


def links(path):
    """Relative links of a notebook's or Markdown file's text: (text, target)."""
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    else:
        text = path.read_text()
    text = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
    found = re.findall(r"!?\[([^\]]*)\]\(([^)\s]+)\)", text)
    return [(words, target) for words, target in found if not re.match(r"[a-z]+:|#|attachment:", target)]


@pytest.mark.parametrize("path", [*EVERY, *sorted(ROOT.glob("*.md"))], ids=name)
def test_its_links_lead_somewhere(path):
    targets = [unquote(target.partition("#")[0]) for _, target in links(path)]
    assert not [target for target in targets if not (path.parent / target).exists()]


@pytest.mark.parametrize("path", [path for path in EVERY if path != ROOT / FIRST_PAGE], ids=name)
def test_it_leads_back_to_the_first_page(path):
    first_cell = nbformat.read(path, as_version=4).cells[0].source
    found = re.findall(r"\[All chapters\]\(([^)]+)\)", first_cell)
    assert [(path.parent / target).resolve() for target in found] == [ROOT / FIRST_PAGE]


def test_the_first_page_leads_to_every_lesson_and_exercise():
    first = ROOT / FIRST_PAGE
    reached = {(first.parent / unquote(target)).resolve() for _, target in links(first)}
    wanted = set(LESSONS) - {first} | set(notebooks("exercises"))
    assert not sorted(map(name, wanted - reached))


# The checks above can fail.


def write(notebook, folder):
    folder.mkdir()
    nbformat.write(notebook, folder / "planted.ipynb")
    return folder / "planted.ipynb"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "stored", "passes"),
    [
        ("print('loss 0.25')", "loss 0.31\n", True),
        ("print('loss 0.25')", "accuracy 0.25\n", False),
        ("1 / 0", "", False),
    ],
)
def test_a_planted_fault_is_found_by_running(source, stored, passes, tmp_path):
    cell = new_code_cell("# NBVAL_CHECK_OUTPUT\n" + source, execution_count=1)
    cell.outputs = [new_output("stream", text=stored)] if stored else []
    code, said, _ = run(write(new_notebook(cells=[cell]), tmp_path / "original"), tmp_path / "copy")
    assert (code == 0) == passes, said


def test_planted_faults_are_found_by_reading():
    assert not faults(new_notebook(cells=[new_code_cell("x = 1")]))
    assert faults(new_notebook(cells=[new_code_cell("x = 1\n" * 26)]))
    assert faults(new_notebook(cells=[new_code_cell("open('/home/me/file')")]))


@pytest.mark.parametrize(
    ("output", "sound"),
    [
        (new_output("stream", text="fine"), True),
        (new_output("stream", name="stderr", text="warning"), False),
        (new_output("stream", text="saved to /root/.cache/x"), False),
        (new_output("error", ename="E", evalue="", traceback=[]), False),
    ],
)
def test_planted_faults_are_found_in_outputs(output, sound):
    cell = new_code_cell("f()", outputs=[output], execution_count=1)
    assert (not faults_of_outputs(new_notebook(cells=[cell]))) == sound
    cell.execution_count = 2
    assert faults_of_outputs(new_notebook(cells=[cell]))

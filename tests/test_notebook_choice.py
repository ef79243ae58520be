"""A notebook runs again when something changed that it reaches, and only then: on a small tree, and on the real one."""

import json
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_utils.install import BESIDES
from tests import notebook_choice
from tests.notebook_choice import DRAWN, Choice, Passed, changed, drawn, due, read_record, write_record
from tests.notebook_keys import Tree
from tests.notebook_run import run as run_notebook

SOURCES = {
    "constraints.txt": "torch==2",
    "tests/nbval.cfg": "",
    "tests/guard/sitecustomize.py": "",
    "course_utils/__init__.py": "def setup():\n    from course_utils.course import start",
    "course_utils/course.py": "from course_utils import session\n\nclass Course:\n"
    "    def check(self):\n        from course_utils.checks.learner import notebook\n"
    "    def hub(self):\n        from course_utils import hub\n",
    "course_utils/session.py": "",
    "course_utils/hub.py": "from course_utils.models.registry import MODELS\nall(MODELS)",
    "course_utils/checks/__init__.py": "",
    "course_utils/checks/framework.py": "",
    "course_utils/checks/chapters/first.py": "from course_utils.checks import framework",
    "course_utils/checks/chapters/second.py": "from course_utils.checks import framework",
    "course_utils/checks/learner/notebook.py": "from course_utils.checks import framework",
    "course_utils/plots.py": "def later():\n    from course_utils.measure import scores",
    "course_utils/measure/__init__.py": "",
    "course_utils/measure/scores.py": "RUN = 'course_utils.measure.watch'",
    "course_utils/measure/watch.py": "",
    "course_utils/measure/prices.csv": "1",
    "course_utils/models/__init__.py": "",
    "course_utils/models/registry.py": "import pkgutil\nfrom course_utils import models",
    "course_utils/models/bert.py": "",
    "course_utils/models/assets/bert/weights": "1",
    "course_utils/models/assets/gpt2/weights": "1",
    "course_utils/metrics/rouge/rouge.py": "from course_utils import text",
    "course_utils/text.py": "",
    "course_utils/datasets/__init__.py": "",
    "course_utils/datasets/registry.py": "import pkgutil\nfrom course_utils import datasets",
    "course_utils/datasets/reviews.py": "",
}
SETUP = "from course_utils import setup\ncourse = setup()"
NOTEBOOKS = {
    "lessons/plots.ipynb": [SETUP, "%matplotlib inline\nfrom course_utils import plots"],
    "lessons/named.ipynb": [SETUP, "course.model('bert'), course.metric('rouge')"],
    "lessons/hub.ipynb": [SETUP, "course.hub()"],
    "lessons/data.ipynb": [SETUP, "from course_utils.datasets.registry import DATASETS"],
    "exercises/01_first/01_first.ipynb": [
        "from course_utils import setup\ncourse = setup('01_first')",
        "course.check()",
    ],
    "exercises/02_second/02_second.ipynb": [
        "from course_utils import setup\ncourse = setup(exercise='02_second')",
        "course.check()",
    ],
}
PLOTS, NAMED, HUB, DATA, FIRST, SECOND = NOTEBOOKS


def write_notebook(path, sources, output="0.25"):
    cells = [new_markdown_cell("Prose.", id="prose")]
    for number, source in enumerate(sources):
        cell = new_code_cell(source, id=f"cell-{number}", execution_count=number + 1)
        cell.outputs = [new_output("stream", text=output)]
        cells.append(cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells), path)


@pytest.fixture
def small(tmp_path):
    """A repository of a few modules and notebooks."""
    for name, source in SOURCES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    for name, sources in NOTEBOOKS.items():
        write_notebook(tmp_path / name, sources)
    return tmp_path


def keys(root):
    return {name: Tree(root).key(root / name) for name in NOTEBOOKS}


def runs_again(root, *edits):
    """The notebooks that run again after edits, each a file and what is added to its end."""
    record = {name: Passed(key, 1.0, "2026-01-01") for name, key in keys(root).items()}
    assert not changed(keys(root), record)
    for name, added in edits:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        with (root / name).open("a") as file:
            file.write(added)
    return changed(keys(root), record)


@pytest.mark.parametrize(
    ("file", "again"),
    [
        ("course_utils/plots.py", [PLOTS]),
        ("course_utils/measure/scores.py", [PLOTS]),  # imported inside a function
        ("course_utils/measure/watch.py", [PLOTS]),  # named in a string
        ("course_utils/measure/prices.csv", [PLOTS]),
        ("course_utils/session.py", list(NOTEBOOKS)),
        ("course_utils/course.py", list(NOTEBOOKS)),
        ("tests/nbval.cfg", list(NOTEBOOKS)),
        ("tests/guard/sitecustomize.py", list(NOTEBOOKS)),
        ("course_utils/models/assets/bert/weights", [NAMED, HUB]),
        ("course_utils/models/assets/gpt2/weights", [HUB]),  # which lists them all
        ("course_utils/models/assets/new/weights", [HUB]),
        ("course_utils/models/new.py", [HUB]),
        ("course_utils/metrics/rouge/rouge.py", [NAMED]),
        ("course_utils/text.py", [NAMED]),
        ("course_utils/datasets/reviews.py", [DATA]),
        ("course_utils/datasets/new.py", [DATA]),
        ("course_utils/hub.py", [HUB]),
        ("course_utils/checks/framework.py", [FIRST, SECOND]),
        ("course_utils/checks/learner/notebook.py", [FIRST, SECOND]),
        ("course_utils/checks/chapters/first.py", [FIRST]),
        ("course_utils/checks/chapters/second.py", [SECOND]),
        ("exercises/02_second/table.csv", [SECOND]),
        ("exercises/02_second/chapter.toml", []),
        ("course_utils/nobodys.py", []),
        ("README.md", []),
    ],
)
def test_a_change_runs_the_notebooks_that_reach_it(file, again, small):
    if file.endswith("models/new.py"):  # a recipe counts with its weights
        (small / "course_utils/models/assets/new").mkdir()
    assert runs_again(small, (file, "\n")) == again


def test_a_version_runs_all_again_unless_only_an_optional_group_brings_it(small):
    assert runs_again(small, ("constraints.txt", f"\n{BESIDES}\nray==2")) == []
    (small / "constraints.txt").write_text("torch==2")
    assert runs_again(small, ("constraints.txt", "\nnumpy==2")) == list(NOTEBOOKS)


def test_prose_and_outputs_do_not_count_but_code_and_compared_outputs_do(small):
    before = keys(small)
    notebook = nbformat.read(small / PLOTS, as_version=4)
    notebook.cells[0].source = "Other prose."
    notebook.cells[1].outputs = []
    nbformat.write(notebook, small / PLOTS)
    assert keys(small) == before
    notebook.cells[1].source += "  # a word"
    nbformat.write(notebook, small / PLOTS)
    assert [name for name, key in keys(small).items() if key != before[name]] == [PLOTS]
    write_notebook(small / PLOTS, ["# NBVAL_CHECK_OUTPUT\nprint(1)"], output="1")
    compared = keys(small)[PLOTS]
    write_notebook(small / PLOTS, ["# NBVAL_CHECK_OUTPUT\nprint(1)"], output="one")
    assert keys(small)[PLOTS] != compared


def test_the_seconds_that_a_notebook_states_count(small):
    before = keys(small)[PLOTS]
    notebook = nbformat.read(small / PLOTS, as_version=4)
    notebook.metadata["course"] = {"seconds": 5}
    nbformat.write(notebook, small / PLOTS)
    assert keys(small)[PLOTS] != before


def test_a_forged_absent_or_damaged_entry_leads_to_a_run(small, tmp_path):
    now, path = keys(small), tmp_path / "record.json"
    write_record({name: Passed(key, 1.0, "2026-01-01") for name, key in now.items()}, path)
    assert changed(now, read_record(path)) == []
    entries = json.loads(path.read_text())
    del entries[PLOTS]
    entries[NAMED]["key"] = entries[HUB]["key"]
    entries[DATA] = entries[DATA]["key"]
    entries[FIRST]["by hand"] = True
    path.write_text(json.dumps(entries))
    assert changed(now, read_record(path)) == [PLOTS, NAMED, DATA, FIRST]
    path.write_text("{")
    assert changed(now, read_record(path)) == list(NOTEBOOKS)


def test_a_tenth_of_the_unchanged_ones_is_drawn_and_another_commit_draws_others():
    names = [f"lessons/{number}.ipynb" for number in range(60)]
    draws = [drawn(names, by=f"commit {number}") for number in range(80)]
    assert all(len(draw) == len(names) // DRAWN for draw in draws)
    assert drawn(names, by="commit 3") == draws[3]
    assert set().union(*draws) == set(names), "sooner or later it is everybody's turn"
    assert drawn([], by="commit") == []


def test_what_runs_is_said():
    now = {f"lessons/{number}.ipynb": "key" for number in range(10)}
    record = {name: Passed("key", 1.0, "2026-01-01") for name in list(now)[1:]}
    names, line = due(now, record, "due", "abc")
    assert names[0] == "lessons/0.ipynb" and len(names) == 2
    assert line == f"notebooks: 1 of 10 run, as they changed, and 1 of the others, drawn by abc: {names[1]}"
    assert due(now, record, "changed", "abc")[0] == ["lessons/0.ipynb"]
    assert due(now, record, "all", "abc")[0] == list(now)


# On the repository itself


@pytest.fixture(scope="module")
def reached(root):
    """{notebook: the files that its run depends on, from the repository's top}."""
    tree = Tree(root)
    return {
        path.relative_to(root).as_posix(): {each.relative_to(root).as_posix() for each in tree.files(path)}
        for path in notebook_choice.notebooks("lessons", "solutions", "exercises")
    }


def those_that_reach(reached, file):
    return {name for name, files in reached.items() if file in files}


@pytest.mark.parametrize(
    ("file", "again"),
    [
        ("course_utils/measure/process_memory.py", {"lessons/02_datasets/03_larger_than_memory.ipynb"}),
        (
            "course_utils/terminal.py",
            {
                "lessons/01_the_hub/02_publish_and_version.ipynb",
                "lessons/01_the_hub/03_who_may_and_a_release.ipynb",
            },
        ),
    ],
)
def test_a_helper_runs_just_the_lessons_that_reach_it(file, again, reached):
    assert those_that_reach(reached, file) == again


def test_a_script_of_another_chapter_runs_the_lessons_that_read_it(reached):
    found = those_that_reach(reached, "lessons/20_profiling/train_slow.py")
    assert {name.split("/")[1] for name in found} >= {"20_profiling", "21_numbers", "24_optimizer_and_loop"}
    assert "lessons/21_numbers/01_numbers_in_bits.ipynb" not in found
    assert not [name for name in found if name.startswith("exercises/")]


def test_the_checks_of_a_chapter_run_its_exercise_and_its_solution(reached):
    checks = "course_utils/checks/chapters/where_next.py"
    chapter = {f"{folder}/12_where_next/12_where_next.ipynb" for folder in ("exercises", "solutions")}
    readers = those_that_reach(reached, "course_utils/chapters/placement.py")
    assert those_that_reach(reached, checks) == chapter | readers
    assert len(readers) < 3


def test_a_lesson_has_no_checks_unless_it_imports_them(reached):
    framework = those_that_reach(reached, "course_utils/checks/framework.py")
    assert framework >= {name for name in reached if not name.startswith("lessons/")}
    assert len([name for name in framework if name.startswith("lessons/")]) < 5


@pytest.mark.parametrize("file", ["course_utils/session.py", "course_utils/course.py", "tests/isolation.py"])
def test_what_all_stand_on_runs_all(file, reached):
    assert those_that_reach(reached, file) == set(reached)


def test_a_lesson_counts_the_model_that_it_loads(reached):
    weights = "course_utils/models/assets/flan-t5/model.safetensors"
    with_model = those_that_reach(reached, weights)
    assert "lessons/06_full_fine_tuning/03_train.ipynb" in with_model
    assert "lessons/02_datasets/01_many_files_one_table.ipynb" not in with_model


def test_every_notebook_calls_its_course_by_that_name(root):
    """What is asked of `course` decides what a notebook reaches."""
    for path in notebook_choice.notebooks("lessons", "solutions", "exercises"):
        code = "\n".join(
            cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"
        )
        assert code.count("setup(") == code.count("course = setup("), path


# The part of pytest, with a run of three notebooks


class Run:
    """What `Choice` asks of a configuration, and of a worker's."""

    def __init__(self, *, told=None, record=False, args=()):
        self.options = {"--record": record, "--notebooks": "changed"}
        self.args, self.deselected = list(args), []
        self.hook = SimpleNamespace(pytest_deselected=lambda items: self.deselected.extend(items))
        if told is not None:
            self.workerinput = {"notebooks": told}

    def getoption(self, name):
        return self.options[name]


def item(name, test=notebook_choice.RUNS):
    return SimpleNamespace(nodeid=f"{test}[{name}]", callspec=SimpleNamespace(id=name))


@pytest.fixture
def three(monkeypatch, tmp_path):
    """Three notebooks, of which the record knows the last as it is; returns the record's path."""
    names = ["lessons/new.ipynb", "lessons/old.ipynb", "lessons/same.ipynb"]
    monkeypatch.setattr(notebook_choice, "ROOT", tmp_path)
    monkeypatch.setattr(notebook_choice, "RECORD", tmp_path / "record.json")
    monkeypatch.setattr(notebook_choice, "keys_now", lambda: dict.fromkeys(names, "now"))
    monkeypatch.delenv("CI", raising=False)
    for name in names:
        write_notebook(tmp_path / name, [])
    passed = {
        names[1]: Passed("then", 1.0, "d"),
        names[2]: Passed("now", 1.0, "d"),
        "gone": Passed("now", 1.0, "d"),
    }
    write_record(passed, tmp_path / "record.json")
    return tmp_path / "record.json"


def left_after_choosing(run):
    items = [item(name) for name in ("lessons/new.ipynb", "lessons/old.ipynb", "lessons/same.ipynb")]
    items.append(item("lessons/same.ipynb", test="tests/test_notebooks.py::test_it_is_sound"))
    Choice(run).pytest_collection_modifyitems(run, items)
    assert len(items) + len(run.deselected) == 4
    return [each.callspec.id for each in items[:-1]]


def test_only_runs_of_notebooks_that_are_due_stay(three):
    assert left_after_choosing(Run()) == ["lessons/new.ipynb", "lessons/old.ipynb"]


def test_a_worker_runs_what_its_controller_chose(three):
    node = SimpleNamespace(workerinput={})
    Choice(Run()).pytest_configure_node(node)
    assert left_after_choosing(Run(told=node.workerinput["notebooks"])) == [
        "lessons/new.ipynb",
        "lessons/old.ipynb",
    ]


def test_a_run_that_is_asked_for_by_its_node_id_stays(three):
    named = item("lessons/same.ipynb").nodeid
    assert left_after_choosing(Run(args=[named]))[-1] == "lessons/same.ipynb"


def report(name, *, passed=True, when="call", key="now"):
    properties = [("notebook", [name, key, 2.5])] if key else []
    return SimpleNamespace(when=when, passed=passed, user_properties=properties)


def test_the_record_is_written_by_a_run_that_passed_and_forgets_what_is_gone(three):
    choice = Choice(Run(record=True))
    choice.pytest_runtest_logreport(report("lessons/new.ipynb"))
    found = read_record(three)
    assert (found["lessons/new.ipynb"].key, found["lessons/new.ipynb"].seconds) == ("now", 2.5)
    assert sorted(found) == ["lessons/new.ipynb", "lessons/old.ipynb", "lessons/same.ipynb"]
    assert left_after_choosing(Run()) == ["lessons/old.ipynb"]


@pytest.mark.parametrize(
    ("run", "reported"),
    [
        (Run(record=False), report("lessons/new.ipynb")),
        (Run(record=True), report("lessons/new.ipynb", passed=False)),
        (Run(record=True), report("lessons/new.ipynb", when="teardown")),
        (Run(record=True), report("lessons/new.ipynb", key=None)),  # a file changed while it ran
        (Run(record=True, told=[]), report("lessons/new.ipynb")),  # a worker's; its controller writes
    ],
    ids=["not asked", "failed", "teardown", "changed", "worker"],
)
def test_nothing_else_writes_the_record(run, reported, three):
    before = three.read_bytes()
    Choice(run).pytest_runtest_logreport(reported)
    assert three.read_bytes() == before


def test_continuous_integration_does_not_write_it(three, monkeypatch):
    monkeypatch.setenv("CI", "true")
    Choice(Run())
    with pytest.raises(pytest.UsageError, match="does not write"):
        Choice(Run(record=True))


def test_a_notebook_does_not_run_with_the_network_open(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", "")
    with pytest.raises(RuntimeError, match="network is not blocked"):
        run_notebook(tmp_path / "any.ipynb", tmp_path)

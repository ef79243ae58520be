"""What is made from the chapters is what is committed; a chapter more touches its own folders and derived files only."""

import json
import shutil

import pytest

from course_utils import __version__
from course_utils.cells import as_python
from course_utils.chapters import derived, first_cell
from course_utils.checks.framework import Exercise, register

NEW = "97_loops"


@pytest.mark.parametrize("file", derived.DERIVED)
def test_it_is_up_to_date(root, file):
    made = derived.DERIVED[file](root)
    assert (root / file).read_text(encoding="utf-8") == made, "run `course chapters` and commit the result"


@pytest.fixture
def copy(root, tmp_path):
    """The lessons and the derived files of this workbook, in a folder of their own."""
    shutil.copytree(root / "lessons", tmp_path / "lessons")
    for file in derived.DERIVED:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / file, tmp_path / file)
    for solution in (root / "solutions").glob("*/*.ipynb"):
        target = tmp_path / solution.relative_to(root)
        target.parent.mkdir()
        write(target, code(first_cell.BEGINNING.rstrip("\n")))
    return tmp_path


def code(source):
    return {"cell_type": "code", "metadata": {}, "source": source.splitlines(keepends=True)}


def write(path, *cells):
    path.write_text(json.dumps({"cells": cells, "metadata": {}}, indent=1) + "\n")


def run(copy, *arguments):
    return derived.main([*arguments, "--root", str(copy)])


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def add_chapter(copy):
    """One more chapter, of another track: a lesson, a solution, an exercise's card."""
    register(Exercise(NEW, title="Loops", minutes=45, difficulty="easy", cost="nothing"))
    lesson, solution = copy / "lessons" / NEW, copy / "solutions" / NEW
    lesson.mkdir()
    solution.mkdir()
    toml = 'title = "Loops"\ntrack = "training"\nneeds = ["06_full_fine_tuning"]\n[[slot]]\nminutes = 40\n'
    (lesson / "chapter.toml").write_text(toml)
    write(lesson / "01_a_loop.ipynb", {"cell_type": "markdown", "metadata": {}, "source": ["# A loop"]})
    write(solution / f"{NEW}.ipynb")


def test_check_compares_and_writes_nothing(copy, capsys):
    assert run(copy, "--check") == 0
    assert f"{len(derived.derived_files(copy))} derived files are up to date" in capsys.readouterr().out
    guide = copy / derived.GUIDE
    guide.write_text(guide.read_text(encoding="utf-8").replace("| 00_start_here | ", "| 00_start_here | 9"))
    before = files(copy)
    assert run(copy, "--check") == 1
    said = capsys.readouterr().out
    assert "-| 00_start_here | 9" in said and "+| 00_start_here | " in said
    assert "run `course chapters` and commit" in said
    assert files(copy) == before


def test_a_chapter_more_changes_derived_files_only(copy, capsys):
    add_chapter(copy)
    before = files(copy)
    assert run(copy, "--check") == 1
    assert run(copy) == 0
    changed = {
        str(path.relative_to(copy)) for path, content in files(copy).items() if before[path] != content
    }
    assert changed == {derived.INDEX, derived.GUIDE}
    assert run(copy, "--check") == 0
    guide = (copy / derived.GUIDE).read_text(encoding="utf-8")
    day, others = guide.split("<!-- tracks:begin -->")
    assert "| 40 | Loops | 97 |" in others and "| 97_loops | 0 | 0.0 | 45 to 70 | 0 |" in others
    assert not {"97", "Loops"} & set(day.split())
    assert "### Training in depth" in (copy / derived.INDEX).read_text(encoding="utf-8")
    assert f"({NEW}/01_a_loop.ipynb)" in (copy / derived.INDEX).read_text(encoding="utf-8")


def test_the_prose_around_a_table_stays():
    text = "before\n<!-- a:begin -->\nold\n<!-- a:end -->\nafter"
    assert (
        derived.put("f", text, "a", r"\1 new") == "before\n<!-- a:begin -->\n\\1 new\n<!-- a:end -->\nafter"
    )
    assert derived.put("f", text, "a", "") == "before\n<!-- a:begin -->\n<!-- a:end -->\nafter"


# How a notebook's first code cell begins


def test_every_lesson_and_solution_begins_alike(root):
    """One test for all, as nothing but this beginning is made."""
    notebooks = derived.derived_files(root).keys() - derived.DERIVED.keys()
    assert len(notebooks) > 50
    for file in notebooks:
        kept = (root / file).read_text(encoding="utf-8")
        assert derived.notebook(file, root) == kept, f"{file}: run `course chapters` and commit the result"


def test_every_exercise_begins_as_its_solution_does(root):
    for path in root.glob("exercises/*/*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        first = next(cell for cell in cells if cell["cell_type"] == "code")
        assert "".join(first["source"]).startswith(first_cell.BEGINNING), path


def test_it_names_the_version_that_this_is_and_is_python_to_ipython():
    assert f" course-workbook=={__version__}\n" in first_cell.BEGINNING
    compile(as_python(first_cell.BEGINNING), "<cell>", "exec")


@pytest.mark.parametrize(
    ("source", "rest"),
    [
        ("from course_utils import setup\n\ncourse = setup()", "\ncourse = setup()"),
        (
            "import re\n\nfrom course_utils import setup\n\ncourse = setup()",
            "\nimport re\n\ncourse = setup()",
        ),
        (
            "try:\n    from course_utils import setup\nexcept ImportError:  # as it was once\n"
            "    %pip install course-workbook==0.1\n    from course_utils import setup\n\nx = 1\n",
            "\nx = 1",
        ),
        (first_cell.BEGINNING + "\ncourse = setup()", "\ncourse = setup()"),
        ("from course_utils import setup", ""),
    ],
)
def test_the_beginning_is_put_first_and_the_rest_stays(source, rest):
    assert first_cell.begun(source) == (first_cell.BEGINNING + rest).rstrip("\n")


def test_a_first_cell_without_the_course_is_named(copy, capsys):
    lesson = next(copy.glob("lessons/03_*/01_*.ipynb"))
    write(lesson, {"cell_type": "markdown", "metadata": {}, "source": ["# A"]}, code("import torch"))
    assert run(copy) == 1
    assert f"{lesson.relative_to(copy).as_posix()}: its first code cell" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda copy: (copy / derived.README).write_text("nothing"), "phenomena:begin"),
        (lambda copy: (copy / derived.README).unlink(), "README.md is not in"),
        (lambda copy: (copy / "lessons/00_start_here/chapter.toml").unlink(), "00_start_here/chapter.toml is missing"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_explained_and_nothing_is_written(copy, capsys, spoil, words):
    add_chapter(copy)
    spoil(copy)
    before = files(copy)
    assert run(copy) == 1
    assert words in capsys.readouterr().err
    assert files(copy) == before

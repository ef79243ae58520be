"""`course rehearse` runs notebooks in order, in copies, and says what took long and what failed."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course_utils import rehearse


@pytest.fixture
def workbook(tmp_path):
    """A folder with two chapters: the second lesson fails, the third writes a file beside itself, which the fourth reads."""
    root = tmp_path / "workbook"

    def write(name, source, **course):
        path = root / "lessons" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        notebook = new_notebook(cells=[new_code_cell(source)], metadata={"course": course} if course else {})
        nbformat.write(notebook, path)

    write("01_b/01_file.ipynb", "open('left.txt', 'w').write('x')", seconds=6000)
    write("01_b/02_finds_it.ipynb", "open('left.txt').close()", seconds=6000)
    write("00_a/02_fails.ipynb", "1 / 0")
    write("00_a/01_sleeps.ipynb", "import time; time.sleep(0.2)", seconds=0.1)
    return root


def test_lessons_are_taken_in_order(workbook):
    found = rehearse.chosen(["lessons"], workbook)
    assert [path.name for path in found] == [
        "01_sleeps.ipynb",
        "02_fails.ipynb",
        "01_file.ipynb",
        "02_finds_it.ipynb",
    ]
    assert rehearse.chosen(["lessons/01_b/01_file.ipynb"], workbook) == found[2:3]


def test_an_unknown_folder_is_said(capsys):
    assert rehearse.main(["lessons/99_nothing"]) == 2
    assert "no notebook in lessons/99_nothing" in capsys.readouterr().err


def test_a_place_outside_the_workbook_is_said(workbook, tmp_path):
    (tmp_path / "1.ipynb").write_text("{}")
    for word in ("..", str(tmp_path), str(tmp_path / "1.ipynb")):
        with pytest.raises(FileNotFoundError, match="Name a folder such as"):
            rehearse.chosen([word], workbook)


@pytest.mark.slow
def test_a_run_times_and_tells_and_leaves_the_workbook_alone(workbook, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    runs = [rehearse.run(path, scratch, workbook) for path in rehearse.chosen(["lessons"], workbook)]
    assert [bool(each.fault) for each in runs] == [False, True, False, False]
    assert "ZeroDivisionError" in runs[1].fault
    assert runs[0].seconds > 0.2
    said = rehearse.summary(runs)
    assert "longer than stated, so plan for it: lessons/00_a/01_sleeps.ipynb\n" in said
    assert "FAILED: lessons/00_a/02_fails.ipynb." in said
    assert not list(workbook.rglob("left.txt"))
    assert (scratch / "lessons" / "01_b" / "left.txt").exists()
    assert list(scratch.rglob("left.txt"))


def test_a_course_that_keeps_its_times_is_praised_with_silence():
    said = rehearse.summary(
        [rehearse.Rehearsal("lessons/a.ipynb", 10.0, 20.0), rehearse.Rehearsal("lessons/b.ipynb", 50.0, None)]
    )
    assert said.startswith("2 notebooks, 1.0 minutes on ")
    assert len(said.splitlines()) == 1

"""`course report similarity`: pages side by side from a class's folder, a table, and clear errors."""

import csv
import shutil

import nbformat

from course_utils.grading.desk import similarity
from tests.grading import toy
from tests.grading.desk.test_report import HOSTILE, Tags

LONG = "\n".join(
    f"    value{n} = sorted(rows[{n}:], key=len)[-{n + 1}] + other.field_{n} * 2" for n in range(12)
)


def hand_in(out, student, code):
    """A graded copy with this answer to the first question."""
    notebook = nbformat.read(out / "release" / toy.NAME / f"{toy.NAME}.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "q1":
            cell.source = code
    place = out / "autograded" / student / toy.NAME
    place.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, place / f"{toy.NAME}.ipynb")


def test_pairs_side_by_side(prepared, tmp_path, capsys):
    out = tmp_path / "class"
    shutil.copytree(prepared, out)
    before = (out / "gradebook.db").read_bytes()
    hand_in(out, "ann", f"def double(number):\n{LONG}\n    return '{HOSTILE}'")
    hand_in(out, "bob", f"def twice(x):  # mine\n{LONG.replace('value', 'v')}\n    return x")
    hand_in(out, "cy", toy.ANSWERS["q1"])
    assert similarity.main([str(out)]) == 0
    said = capsys.readouterr().out
    folder = out / "report"
    assert f"begin with {folder / f'{toy.NAME}-similar.html'}" in said and "no mark knows" in said
    (row,) = csv.DictReader((folder / f"{toy.NAME}-similar.csv").open(newline=""))
    assert (row["kind"], row["students"], row["questions"]) == ("pair", "ann bob", "q1")
    listed = (folder / f"{toy.NAME}-similar.html").read_text("utf-8")
    assert "3 submissions compared" in listed and row["page"] in Tags(listed).links
    page = (folder / row["page"]).read_text("utf-8")
    assert "script" not in Tags(page).names and "&lt;script&gt;" in page
    assert page.count('class="alike"') > 20
    assert "def twice(x):" in page and "def double(number):" in page
    assert (out / "gradebook.db").read_bytes() == before


def test_nobody_is_alike(prepared, tmp_path):
    out = tmp_path / "class"
    shutil.copytree(prepared, out)
    hand_in(out, "ann", toy.ANSWERS["q1"])
    hand_in(out, "bob", toy.ANSWERS["q1"])
    (page, table) = similarity.similarity_report(out)
    assert "No two are that much alike" in page.read_text("utf-8")
    assert len(table.read_text("utf-8").splitlines()) == 1


def test_what_is_not_there(tmp_path, capsys):
    assert similarity.main([str(tmp_path)]) == 1
    assert "nothing is graded" in capsys.readouterr().err
    assert similarity.main([str(tmp_path), "--at-least", "60"]) == 1
    assert "a share from 0 to 1, and not 60" in capsys.readouterr().err

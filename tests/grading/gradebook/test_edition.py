"""A learner's edition: nothing of the solutions in it, everything that a learner needs, and nothing overwritten."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

from course_utils.grading.desk import release as command
from course_utils.grading.gradebook import edition, release
from course_utils.texts.markdown import tongue

pytestmark = pytest.mark.slow  # releases every exercise once


@pytest.fixture(scope="module")
def files(root):
    return edition.class_files(root)


@pytest.fixture(scope="module")
def unpacked(files, tmp_path_factory):
    """What somebody has who got the archive and unpacked it."""
    place = tmp_path_factory.mktemp("class")
    (place / "edition.zip").write_bytes(edition.pack(files))
    with zipfile.ZipFile(place / "edition.zip") as archive:
        archive.extractall(place)
    return place / edition.FOLDER_IN_ARCHIVE


def course(folder, *arguments):
    """A `course` command in a folder; the package is the one that lies there, where there is one."""
    package = folder if (folder / "course_utils").is_dir() else Path(edition.ROOT)
    environment = os.environ | {"PYTHONPATH": str(package), "COURSE_DATA": str(folder.parent / "data")}
    command = [sys.executable, "-P", "-m", "course_utils.cli", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


# No solutions


def text_of(name, data):
    if name.endswith(".ipynb"):
        cells = json.loads(data)["cells"]
        return "\n".join("".join(cell["source"]) + json.dumps(cell.get("outputs", "")) for cell in cells)
    return data.decode("utf-8", "replace") if name.endswith((".py", ".md", ".toml")) else ""


ANSWER = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.DOTALL)


def distinctive_lines(root):
    """exercise -> the lines of its answers that no learner was given: not in a cell of the exercise that stays,
    not around an answer's place in another cell, not in a lesson that teaches it, nor in the package, whose checks
    anybody may read."""
    solutions = {
        path.stem: nbformat.read(path, as_version=4).cells for path in root.glob("solutions/*/*.ipynb")
    }
    lessons = [nbformat.read(path, as_version=4).cells for path in root.glob("lessons/*/*.ipynb")]
    notes = release.INSTRUCTOR_TAG
    given = [
        cell.source
        for cells in [*solutions.values(), *lessons]
        for cell in cells
        if not cell.metadata.get("nbgrader", {}).get("solution")
        and notes not in cell.metadata.get("tags", [])
    ]
    given += [
        ANSWER.sub("", cell.source)
        for cells in solutions.values()
        for cell in cells
        if cell.cell_type == "code"
    ]
    # the programs beside a lesson are taught, too
    given += [
        path.read_text(encoding="utf-8")
        for pattern in ("course_utils/**/*.py", "lessons/*/*.py")
        for path in root.glob(pattern)
    ]
    known = "\n".join(given)
    return {
        name: {line for cell in cells for line in answer_lines(cell) if line not in known}
        for name, cells in solutions.items()
    }


def answer_lines(cell):
    """The long lines of an answer: what stands between the marks of a solution, or all of an essay."""
    if not cell.metadata.get("nbgrader", {}).get("solution"):
        return []
    parts = [cell.source]
    if cell.cell_type == "code":
        parts = ANSWER.findall(cell.source)
    return [line.strip() for part in parts for line in part.splitlines() if len(line.strip()) >= 30]


def leaks(files, lines):
    texts = {name: text_of(name, data) for name, data in files.items()}
    return [(name, line) for name, text in texts.items() for line in lines if line in text]


def test_no_line_of_a_solution_is_in_it(files, root):
    by_exercise = distinctive_lines(root)
    assert all(len(lines) >= 5 for lines in by_exercise.values()), {k: len(v) for k, v in by_exercise.items()}
    lines = set().union(*by_exercise.values())
    assert not leaks(files, lines)
    planted = root / "solutions" / "04_evaluation" / "04_evaluation.ipynb"
    assert leaks({"lessons/mine.ipynb": planted.read_bytes()}, lines)


def test_no_instructors_cell_no_solution_and_no_test_is_in_it(files):
    folders = {name.partition("/")[0] for name in files if "/" in name}
    assert folders == {"lessons", "exercises", "course_utils", ".course"}
    for name in filter(lambda name: name.endswith(".ipynb"), files):
        for cell in json.loads(files[name])["cells"]:
            assert release.INSTRUCTOR_TAG not in cell["metadata"].get("tags", []), name
            assert "BEGIN SOLUTION" not in "".join(cell["source"]), name


def test_only_the_notes_are_missing_from_a_lesson(files, root):
    for path in root.glob("lessons/**/[0-9]*.ipynb"):
        whole = json.loads(path.read_bytes())
        left = json.loads(files[path.relative_to(root).as_posix()])
        assert left["metadata"] == whole["metadata"]
        assert left["cells"] == [
            cell for cell in whole["cells"] if release.INSTRUCTOR_TAG not in cell["metadata"].get("tags", [])
        ]


# All that is needed


def prose(path):
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def local_links(text):
    """Where links and pictures of a Markdown text lead, without places within a page and without the web."""
    found = re.findall(r"\]\(([^)\s#]+)|(?:src|href)=\"([^\"#]+)", text)
    return [link for pair in found for link in pair if link and not re.match(r"\w+:", link)]


def test_links_and_pictures_lead_somewhere(unpacked):
    notebooks = [
        path for folder in ("lessons", "exercises") for path in unpacked.glob(f"{folder}/**/*.ipynb")
    ]
    texts = [(path, prose(path)) for path in notebooks]
    texts += [(path, path.read_text(encoding="utf-8")) for path in unpacked.glob("*.md")]
    found = [(path, unquote(link)) for path, text in texts for link in local_links(text)]
    assert len(found) > 50
    assert not [(path, link) for path, link in found if not (path.parent / link).exists()]


def test_from_it_one_checks_asks_for_hints_and_hands_in(unpacked):
    name = "11_results_and_demos"  # the exercise that runs shortest
    work = unpacked / "exercises" / name / f"{name}.ipynb"
    shutil.copy(Path(edition.ROOT) / "solutions" / name / f"{name}.ipynb", work)  # somebody who knows
    checked = course(unpacked, "check", f"exercises/{name}")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "q1" in course(unpacked, "hint", f"exercises/{name}", "q1").stdout
    handed_in = course(unpacked, "submit", name)
    answered, questions = re.search(r"(\d+) of (\d+) cells worked on", handed_in.stdout).groups()
    assert answered == questions and "Hand in" in handed_in.stdout
    assert name in course(unpacked, "progress").stdout


def test_another_folder_can_be_started_from_it_and_a_deleted_file_comes_back(unpacked, tmp_path):
    lost = unpacked / "lessons" / "index.ipynb"
    page = lost.read_bytes()
    done = course(unpacked, "start", str(tmp_path / "more"), "--no-lab")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "more" / "lessons" / "index.ipynb").read_bytes() == page
    lost.unlink()
    (unpacked / "exercises" / "04_evaluation" / "04_evaluation.ipynb").unlink()
    again = course(unpacked, "start", ".", "--no-lab").stdout
    assert "2 files added" in again and lost.read_bytes() == page
    # where the test before this one ran here
    worked_on = {"exercises/11_results_and_demos/11_results_and_demos.ipynb"}
    assert set(re.findall(r"^  (\S+)$", again, re.MULTILINE)) <= worked_on


@pytest.mark.skipif(not shutil.which("make"), reason="no make here")
def test_make_start_opens_it(unpacked):
    said = subprocess.run(["make", "-n", "start"], cwd=unpacked, capture_output=True, text=True).stdout
    assert "course_utils/install.py" in said and "course lab" in said
    targets = subprocess.run(["make", "help"], cwd=unpacked, capture_output=True, text=True).stdout
    assert [line.split()[1] for line in targets.splitlines()] == ["start", "fetch", "install", "help"]


# Nothing is overwritten, nothing is half there


def test_the_workbook_itself_is_no_folder_of_ones_own(root, capsys):
    assert edition.main([str(root), "--no-lab"]) == 1
    assert "the workbook itself" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(edition, "learners_files", lambda root: {"lessons/index.ipynb": b""})
    (tmp_path / "file").touch()
    assert edition.main([str(tmp_path / "file"), "--no-lab"]) == 1
    assert "could not be laid out" in capsys.readouterr().err


def test_the_same_files_give_the_same_bytes():
    files = {"b": b"2", "a/c": b"1"}
    assert edition.pack(files) == edition.pack(dict(reversed(files.items())))


def test_an_edition_in_another_language(files, root, monkeypatch):
    place = edition.PACKED.relative_to(edition.ROOT).as_posix()
    few = {name: files[name] for name in files if name.endswith("here.ipynb") and not name.startswith(place)}
    monkeypatch.setattr(edition, "learners_files", lambda root: few)
    german = edition.class_files(root, tongue("de"))
    exercise = "exercises/00_start_here/00_start_here.ipynb"
    assert "Frage 3: die Ausgabe lesen" in german[exercise].decode()
    assert german[f"{place}/{exercise}"] == german[exercise]
    assert {name for name in german if german[name] != files.get(name)} <= {
        exercise, f"{place}/{exercise}", edition.RECORD
    }  # fmt: skip


def test_an_archive_is_whole_or_not_there(tmp_path, monkeypatch, capsys):
    archive = tmp_path / "edition.zip"
    archive.write_bytes(b"last week's")
    monkeypatch.setattr(edition, "class_files", lambda *_: {"a": b"1"})
    with monkeypatch.context() as broken:
        broken.setattr(
            "course_utils.files.os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError("disk full"))
        )
        assert command.main(["--edition", str(archive)]) == 1
    assert "disk full" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["edition.zip"]
    assert archive.read_bytes() == b"last week's"
    assert command.main(["--edition", str(archive)]) == 0
    assert zipfile.ZipFile(archive).namelist() == ["workbook/a"]

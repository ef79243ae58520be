"""Exercises come from solutions: the same bytes each time, and nothing that should stay behind."""

import json
from dataclasses import replace

import pytest

from course_utils.grading.desk import judging, release
from course_utils.texts import markdown, po
from course_utils.texts.po import TextEntry
from tests.grading import toy


def run(solutions, exercises, *arguments):
    return release.main([*arguments, "--solutions", str(solutions), "--exercises", str(exercises)])


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """What was judged once is not judged again in these tests either."""
    return tmp_path_factory.mktemp("judged")


@pytest.fixture(autouse=True)
def judged(cache, monkeypatch):
    monkeypatch.setattr(judging, "cache_folder", lambda: cache)


@pytest.fixture
def course(tmp_path):
    toy.write_solutions(tmp_path / "solutions")
    return tmp_path / "solutions", tmp_path / "exercises"


def released_text(exercises):
    return (exercises / toy.NAME / f"{toy.NAME}.ipynb").read_text(encoding="utf-8")


def edit(solutions, change):
    path = solutions / toy.NAME / f"{toy.NAME}.ipynb"
    notebook = json.loads(path.read_text())
    change(notebook)
    path.write_text(json.dumps(notebook))


def test_the_same_bytes_each_time_and_no_residue(course, capsys):
    assert run(*course) == 0
    first = released_text(course[1])
    assert run(*course) == 0
    assert released_text(course[1]) == first
    assert sorted(path.name for path in course[1].parent.iterdir()) == ["exercises", "solutions"]
    assert [path.name for path in course[1].rglob("*")] == [toy.NAME, f"{toy.NAME}.ipynb"]
    assert "released 98_toy: 11 points" in capsys.readouterr().out


def test_solutions_and_notes_stay_behind(course):
    run(*course)
    text = released_text(course[1])
    for words in ("return 2 * number", "BEGIN SOLUTION", "Give ten minutes", "Your words here"):
        assert words not in text
    assert text.count("raise NotImplementedError()") == 2


def test_points_come_from_the_checks(course):
    run(*course)
    cells = json.loads(released_text(course[1]))["cells"]
    points = {
        cell["metadata"]["nbgrader"]["grade_id"]: cell["metadata"]["nbgrader"].get("points")
        for cell in cells
        if "nbgrader" in cell["metadata"]
    }
    assert points == {"q1": None, "q1-check": 4, "q2": None, "q2-check": 2, "q3": 5}


def test_other_files_come_along_and_litter_does_not(course):
    (course[0] / toy.NAME / "data.csv").write_text("a,b\n")
    (course[0] / toy.NAME / ".ipynb_checkpoints").mkdir()
    (course[0] / toy.NAME / ".ipynb_checkpoints" / "x.ipynb").write_text("{}")
    run(*course)
    assert sorted(path.name for path in (course[1] / toy.NAME).iterdir()) == [f"{toy.NAME}.ipynb", "data.csv"]
    assert run(*course, "--check") == 0


def test_check_is_content_and_then_shows_what_differs(course, capsys):
    run(*course)
    assert run(*course, "--check") == 0
    path = course[1] / toy.NAME / f"{toy.NAME}.ipynb"
    path.write_text(path.read_text().replace("# A toy", "# Another"))
    capsys.readouterr()
    assert run(*course, "--check") == 1
    said = capsys.readouterr().out
    assert '-    "# Another"' in said
    assert '+    "# A toy"' in said
    assert "run `course release`" in said


def test_check_finds_missing_and_extra_files(course, capsys):
    run(*course)
    (course[1] / toy.NAME / "extra.txt").write_text("x")
    (course[1] / "90_gone").mkdir()
    assert run(*course, "--check") == 1
    said = capsys.readouterr().out
    assert "extra.txt: should not be there" in said
    assert "90_gone: is in exercises/ and has no solution" in said
    (course[1] / toy.NAME / f"{toy.NAME}.ipynb").unlink()
    run(*course, "--check")
    assert f"{toy.NAME}.ipynb: is missing" in capsys.readouterr().out


def cells_without(name):
    def change(notebook):
        notebook["cells"] = [cell for cell in notebook["cells"] if cell["id"] != name]

    return change


def cell_with(name, **changes):
    def change(notebook):
        next(cell for cell in notebook["cells"] if cell["id"] == name).update(changes)

    return change


FAULTS = {
    "no id": (cell_with("setup", id=None), "cell 2 has no id"),
    "an id twice": (cell_with("setup", id="title"), "the same id as another"),
    "no check cell": (cells_without("q1-check"), "q1-check: there is no graded cell"),
    "no answer cell": (cells_without("q2-answer"), "q2: there is no answer cell"),
    "a check of another question": (
        cell_with("q1-check", source='course.check("q2")'),
        "should hold course.check",
    ),
    "a question too many": (
        lambda notebook: notebook["cells"].append(
            toy.cell("code", "q9-check", 'course.check("q9")', toy.marks("q9-check", grade=True))
        ),
        "q9-check: there is no question of that name",
    ),
    "no end": (cell_with("q1-answer", source="### BEGIN SOLUTION\nx = 1"), "no end solution statement"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_a_solution_are_told(course, capsys, fault):
    change, words = FAULTS[fault]
    edit(course[0], change)
    assert run(*course) == 1
    assert words in capsys.readouterr().err


def test_an_unknown_exercise(course, capsys):
    assert run(*course, "44_none") == 1
    assert "there are 98_toy" in capsys.readouterr().err


def test_one_exercise_can_be_named_by_its_folder(course):
    assert run(*course, f"solutions/{toy.NAME}") == 0


# --- an exercise that could not be graded is not released ------------------------------------------------


def solution_with(name, source):
    return cell_with(name, source=f"### BEGIN SOLUTION\n{source}\n### END SOLUTION")


def test_what_could_not_be_graded_is_not_released(course, capsys):
    edit(course[0], solution_with("q1-answer", "double = lambda number: 2 * number if number < 0 else 1"))
    edit(course[0], cell_with("q2-use", source="counts = {'a': 2, 'b': 1}"))  # given away
    assert run(*course) == 1
    said = capsys.readouterr().err
    assert "nothing is released:" in said
    assert "98_toy q1: its own solution has 0 of 4 points: " in said
    assert "98_toy q2: what is released, with nothing answered, has 2 of 2 points" in said
    assert not course[1].exists()


def test_parts_that_do_not_add_up_are_refused(course, capsys, monkeypatch):
    monkeypatch.setattr(judging, "cache_folder", lambda: course[0].parent / "none")
    questions = toy.exercise.questions
    monkeypatch.setitem(questions, "q1", replace(questions["q1"], points=5))
    assert run(*course) == 1
    assert "do not add up to its 5 points" in capsys.readouterr().err


def test_what_was_judged_is_not_judged_again(course, capsys, monkeypatch):
    run(*course)
    monkeypatch.setattr(judging, "grade_class", None)
    assert run(*course) == 0
    edit(course[0], cell_with("setup", source="import math"))
    assert run(*course, "--unjudged") == 0
    assert "11 points, not judged: its solution was not graded" in capsys.readouterr().out
    assert run(*course, "--check") == 0, "which judges nothing"


def test_points_in_nbgraders_panel_are_taken_or_refused(course, capsys):
    def points(value):
        def change(notebook):
            cell = next(cell for cell in notebook["cells"] if cell["id"] == "q1-check")
            cell["metadata"]["nbgrader"]["points"] = value

        return change

    edit(course[0], points(4))
    assert run(*course, "--unjudged") == 0
    edit(course[0], points(6))
    capsys.readouterr()
    assert run(*course, "--unjudged") == 1
    assert "98_toy, q1-check: nbgrader's panel says 6 points, its check 4." in capsys.readouterr().err


# --- in another language ---------------------------------------------------------------------------------


@pytest.fixture
def in_toyish(tmp_path, monkeypatch):
    """A language in which the toy has its heading."""
    folder = tmp_path / "catalogues"
    folder.mkdir()
    header = "Content-Type: text/plain; charset=UTF-8\nLanguage-Team: Toyish\n"
    heading = TextEntry("# A toy", "# Ein Spielzeug")
    (folder / "ty.po").write_text(po.write(header, [heading]), encoding="utf-8")
    monkeypatch.setattr(markdown, "CATALOGUES", folder)
    markdown.tongue.cache_clear()
    yield "--unjudged", "--language", "ty"
    markdown.tongue.cache_clear()


def test_a_copy_in_another_language_lies_beside_and_says_what_is_translated(course, in_toyish, capsys):
    edit(course[0], cell_with("title", source="# A toy\n\nNot yet."))
    assert run(*course, "--unjudged") == 0
    english = released_text(course[1])
    capsys.readouterr()
    assert run(*course, *in_toyish) == 0
    said = capsys.readouterr().out
    assert "1 of 2 texts in Toyish, the others in English" in said
    copy = course[1].with_name("exercises-ty")
    assert [path.name for path in copy.rglob("*")] == [toy.NAME, f"{toy.NAME}.ipynb"]
    assert released_text(copy) == english.replace("# A toy", "# Ein Spielzeug")
    assert released_text(course[1]) == english
    for words in ("return 2 * number", "BEGIN SOLUTION", "Give ten minutes", "Your words here"):
        assert words not in released_text(copy)


def test_the_folder_can_be_named_and_what_else_lies_there_stays(course, in_toyish, tmp_path, capsys):
    (tmp_path / "mine" / toy.NAME).mkdir(parents=True)
    (tmp_path / "mine" / toy.NAME / "notes.txt").touch()
    assert run(*course, *in_toyish, "--into", str(tmp_path / "mine")) == 0
    assert "1 of 1 texts in Toyish: " in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "mine" / toy.NAME).iterdir()} == {
        f"{toy.NAME}.ipynb",
        "notes.txt",
    }
    assert not course[1].exists()
    assert run(*course, *in_toyish, "--into", str(course[0])) == 1
    assert "is where the solutions are" in capsys.readouterr().err


def test_what_has_no_text_in_a_language_is_refused_by_name(course, in_toyish, capsys):
    edit(course[0], cell_with("title", source="# Another"))
    assert run(*course, toy.NAME, *in_toyish) == 1
    assert "no text is in Toyish of 98_toy" in capsys.readouterr().err
    assert run(*course, "--language", "xx") == 1
    assert "no exercises in the language 'xx', but in ty" in capsys.readouterr().err


@pytest.mark.parametrize("more", [("--check", "--language", "ty"), ("--into", "x")])
def test_what_does_not_go_together(course, in_toyish, more, capsys):
    with pytest.raises(SystemExit):
        run(*course, *more)
    assert "--language" in capsys.readouterr().err

"""A learner who is called otherwise stays one learner; one who is taken out leaves nothing that fails."""

import copy
import json
import re
import shutil

import pytest

from course_utils.grading.desk import autograde, export, feedback, report, similarity, students
from course_utils.grading.gradebook import renaming
from course_utils.grading.gradebook.students import draws_as, read_draws_as
from tests.grading import toy
from tests.grading.desk.test_autograde import Class

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's own queries
ALMOST = "def double(number):\n    return number"


@pytest.fixture(scope="module")
def graded_once(tmp_path_factory, solutions, released, prepared):
    """A class of two; ann's wrong answer makes her results tell what was drawn for her."""
    group = Class(tmp_path_factory.mktemp("class"), solutions, released, prepared)
    group.hand_in("ann", **toy.ANSWERS | {"q1": ALMOST})
    group.hand_in("bob", **toy.ANSWERS)
    assert group.grade() == 0
    (group.out / "policy.toml").write_text(
        f"[due]\n{toy.NAME} = 2026-11-20T18:00:00Z\n[extensions.{toy.NAME}]\n"
        "ann = 2026-11-27T18:00:00Z # ill\nbob = 2026-11-28T18:00:00Z\n"
    )
    return group


@pytest.fixture
def group(graded_once, tmp_path):
    """A copy of that class."""
    group = copy.copy(graded_once)
    group.submitted, group.out = tmp_path / "submitted", tmp_path / "out"
    shutil.copytree(graded_once.submitted, group.submitted)
    shutil.copytree(graded_once.out, group.out)
    return group


def rename(group, *names):
    return students.rename_main([str(group.out), *names, "--submitted", str(group.submitted)])


def remove(group, *options):
    return students.remove_main([str(group.out), *options, "--submitted", str(group.submitted)])


def naming(folder, name):
    """The files in a folder whose path or text has the name."""
    word = re.compile(rf"\b{name}\b")
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
        and (word.search(str(path.relative_to(folder))) or word.search(path.read_text("latin-1")))
    }


def drawn(group, student):
    """What the check said, which names the numbers that were drawn."""
    rows = [json.loads(line) for line in (group.out / "results.jsonl").read_text().splitlines()]
    return next(row["message"] for row in rows if (row["student"], row["question"]) == (student, "q1"))


def test_a_renamed_learner_is_the_same_one_with_the_same_draws(group, monkeypatch, capsys):
    with group.book() as book:
        grade = book.find_grade("q3", toy.NAME, toy.NAME, "ann")
        grade.manual_score, grade.needs_manual_grade = 3, False
        book.db.commit()
    said, before = drawn(group, "ann"), export.read_marks(group.out, None).scores
    assert rename(group, "ann", "ann.lee@x.org") == 0
    assert "ann.lee@x.org now" in capsys.readouterr().out
    assert naming(group.out, "ann(?![.]lee)") == {"students.csv"}, "its free pages may hold it"
    assert draws_as(group.out, "ann.lee@x.org") == "ann"
    assert '"ann.lee@x.org" = 2026-11-27T18:00:00Z # ill' in (group.out / "policy.toml").read_text()
    before["ann.lee@x.org"] = before.pop("ann")
    assert export.read_marks(group.out, None).scores == before
    with monkeypatch.context() as patch:
        patch.setattr(
            autograde.batch, "grade_all", lambda left, *rest: iter([]) if not left else pytest.fail(str(left))
        )
        assert group.grade("--resume") == 0, "nothing is graded again"
    assert group.grade() == 0
    assert drawn(group, "ann.lee@x.org") == said, "the same numbers are drawn"


def test_who_has_the_old_name_next_is_somebody_else(group):
    said = drawn(group, "ann")
    rename(group, "ann", "zoe")
    group.hand_in("ann", **toy.ANSWERS | {"q1": ALMOST})
    assert group.grade() == 0
    assert drawn(group, "ann") != said == drawn(group, "zoe")
    assert read_draws_as(group.out) == {"zoe": "ann", "ann": "ann#2"}
    rename(group, "ann", "eve")
    assert read_draws_as(group.out) == {"zoe": "ann", "eve": "ann#2", "ann": "ann#3"}
    rename(group, "zoe", "ann")
    assert read_draws_as(group.out) == {"eve": "ann#2"}, "called back, she draws as she is called"


def test_a_name_that_is_taken_or_unknown_changes_nothing(group, capsys):
    for old, new, said in (
        ("ann", "bob", "somebody is called bob here already"),
        ("ana", "zoe", "there is nobody called 'ana'"),
        ("ann", "../x", "'../x' is not a student's name"),
        ("ann", "ann", "ann is called so already"),
    ):
        assert rename(group, old, new) == 1
        assert said in capsys.readouterr().err
    group.hand_in("zoe", **toy.ANSWERS)
    assert rename(group, "ann", "zoe") == 1
    assert f"ann and zoe have both handed in {toy.NAME}" in capsys.readouterr().err
    assert group.grade("--resume") == 0
    assert group.grades().keys() == {"ann", "bob", "zoe"}


@pytest.mark.parametrize("step", ["write_draws_as", "_move", "_in_gradebook", "_in_tables"])
def test_a_renaming_that_was_stopped_is_finished_by_the_same_words(group, step, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(renaming, step, lambda *rest: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            rename(group, "ann", "zoe")
    assert rename(group, "bob", "eve") == 1
    assert "renaming ann to zoe was stopped" in capsys.readouterr().err
    assert rename(group, "ann", "zoe") == 0
    assert group.grades().keys() == {"zoe", "bob"}
    assert naming(group.out, "ann") == {"students.csv"}


def test_one_who_is_removed_leaves_nothing_that_fails(group, capsys):
    report.main([str(group.out)])
    assert remove(group, "ann") == 1, "it is only shown"
    shown = capsys.readouterr().out
    assert all(
        each in shown for each in ("autograded/ann", "feedback/ann", "submitted/ann", "gradebook.db: 1 sub")
    )
    assert group.grades().keys() == {"ann", "bob"}
    assert remove(group, "ann", "--yes") == 0
    assert re.search("ann still stands in .*/report/", capsys.readouterr().out)
    assert report.main([str(group.out)]) == similarity.main([str(group.out)]) == 0
    assert feedback.main([str(group.out)]) == 0
    assert export.read_marks(group.out, None).scores.keys() <= {"bob"}
    assert group.grade("--resume") == group.grade() == 0
    assert naming(group.out, "ann") == set()
    assert not (group.submitted / "ann").exists()
    assert group.grades().keys() == {"bob"}
    assert remove(group, "ann", "--yes") == 1
    assert "there is nobody called 'ann'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["student\nann\n", "student,draws_as\nann,\n", "student,draws_as\na,1\na,2\n"]
)
def test_a_file_of_names_that_cannot_be_followed_is_refused(group, text, capsys):
    (group.out / "students.csv").write_text(text)
    assert group.grade() == 1
    assert "students.csv" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line", ["ann = {moment}\n", '"ann" = {moment}\n', "'ann' = {moment}  # ill\n", "  ann={moment}\n"]
)
def test_an_extension_goes_with_its_learner(line):
    text = "# ann = 1\n[extensions.x]\n" + line.format(moment="2026-11-27T18:00:00Z") + "[void]\nann = []\n"
    after = renaming.with_extensions_of(text, "ann", "zoe")
    assert after.count("zoe") == 1 and after.endswith("[void]\nann = []\n")
    assert "2026" not in renaming.with_extensions_of(text, "ann", None)


def test_an_extension_that_only_a_person_can_change_is_said():
    with pytest.raises(renaming.RenameError, match="an extension for ann: change it there by hand"):
        renaming.with_extensions_of("extensions = {x = {ann = 2026-11-27T18:00:00Z}}\n", "ann", "zoe")

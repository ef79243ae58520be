"""A class in one file: read back it is the same class anywhere, and a damaged one is refused."""

import json
import shutil
import zipfile

import pytest

from course_utils.grading.desk import archive, autograde, export, feedback
from course_utils.grading.gradebook.archives import MANIFEST
from tests.grading import toy
from tests.grading.desk.test_autograde import Class

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's own queries


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def group(tmp_path_factory, solutions, released, prepared):
    group = Class(tmp_path_factory.mktemp("class"), solutions, released, prepared)
    group.hand_in("ann", **toy.ANSWERS)
    assert group.grade() == 0
    return group


def test_a_class_that_was_archived_and_moved_goes_on(group, tmp_path, monkeypatch, capsys):
    package, moved = tmp_path / "term.zip", tmp_path / "elsewhere" / "another name"
    assert archive.archive_main([str(group.out), str(package), "--with-seed"]) == 0
    assert "can foresee every learner's data" in capsys.readouterr().out
    assert archive.restore_main([str(package), str(moved)]) == 0
    before = {
        name: data for name, data in files(group.out).items() if name.name not in (".lock", "gradebook.db")
    }
    assert {name: data for name, data in files(moved).items() if name.name != "gradebook.db"} == before
    assert (moved / "grading.seed").stat().st_mode & 0o777 == 0o600
    marks = export.read_marks(group.out, None).scores
    hidden = group.out.rename(group.out.with_name("hidden"))
    try:
        assert export.read_marks(moved, None).scores == marks
        assert feedback.main([str(moved)]) == 0
        with monkeypatch.context() as patch:
            patch.setattr(group, "out", moved)
            patch.setattr(
                autograde.batch, "grade_all", lambda left, *rest: pytest.fail(str(left)) if left else iter([])
            )
            assert group.grade("--resume") == 0, "nothing is graded again"
    finally:
        hidden.rename(group.out)


def test_the_seed_is_in_it_only_if_somebody_says_so(group, tmp_path, capsys):
    package, again = tmp_path / "term.zip", tmp_path / "again"
    assert archive.archive_main([str(group.out), str(package)]) == 0
    assert "grading.seed is not in it" in capsys.readouterr().out
    seed = (group.out / "grading.seed").read_bytes().strip()
    with zipfile.ZipFile(package) as opened:
        assert not [name for name in opened.namelist() if seed in opened.read(name)]
    assert archive.restore_main([str(package), str(again)]) == 0
    assert "put it there before grading" in capsys.readouterr().out
    assert not (again / "grading.seed").exists()


def rewritten(package, to, change):
    """The archive with the {name: data} that `change` makes of its own."""
    with zipfile.ZipFile(package) as opened, zipfile.ZipFile(to, "w") as target:
        for name, data in change({name: opened.read(name) for name in opened.namelist()}).items():
            target.writestr(name, data)


def outside(held):
    about = json.loads(held[MANIFEST])
    about["files"]["../evil"] = about["files"].pop("grades.csv")
    return {("../evil" if name == "grades.csv" else name): data for name, data in held.items()} | {
        MANIFEST: json.dumps(about).encode()
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda held: held | {"grades.csv": b"all points"}, "grades.csv is not what was archived"),
        (lambda held: held | {"more.txt": b"x"}, "its manifest and its files differ, in 'more.txt'"),
        (
            lambda held: {name: data for name, data in held.items() if name != "grades.csv"},
            "differ, in 'grades.csv'",
        ),
        (
            lambda held: {name: data for name, data in held.items() if name != MANIFEST},
            "or no archive of a class",
        ),
        (lambda held: held | {MANIFEST: b"[]"}, "or no archive of a class"),
        (outside, "names a place outside its folder: '../evil'"),
    ],
)
def test_a_damaged_archive_is_refused_and_nothing_is_left(group, tmp_path, change, said, capsys):
    assert archive.archive_main([str(group.out), str(tmp_path / "a.zip")]) == 0
    rewritten(tmp_path / "a.zip", tmp_path / "b.zip", change)
    assert archive.restore_main([str(tmp_path / "b.zip"), str(tmp_path / "new")]) == 1
    assert said in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "b.zip"]


def test_half_a_file_and_what_is_there_already_are_refused(group, tmp_path, capsys):
    package = tmp_path / "a.zip"
    assert archive.archive_main([str(group.out), str(package)]) == 0
    assert archive.archive_main([str(group.out), str(package)]) == 1
    (tmp_path / "half.zip").write_bytes(package.read_bytes()[: package.stat().st_size // 2])
    assert archive.restore_main([str(tmp_path / "half.zip"), str(tmp_path / "new")]) == 1
    assert archive.restore_main([str(package), str(group.out)]) == 1
    assert archive.archive_main([str(tmp_path), str(tmp_path / "c.zip")]) == 1
    said = capsys.readouterr().err
    for words in (
        "a.zip is there already",
        "is damaged",
        "is read back into a new folder",
        "there is no gradebook",
    ):
        assert words in said
    shutil.rmtree(tmp_path)

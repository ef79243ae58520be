"""A newer edition comes into a learner's folder: untouched files are replaced, touched ones stay, and neither text is lost."""

import json

import pytest

from course_utils.grading.gradebook import edition, laying_out
from course_utils.grading.gradebook.laying_out import RECORD, lay_out

LESSON, EXERCISE, PAGE = "lessons/01_a/01_b.ipynb", "exercises/01_a/01_a.ipynb", "README.md"


def notebook(*sources, **run):
    cells = [
        {"cell_type": "code", "source": [source], "metadata": {}, "outputs": [], **run} for source in sources
    ]
    return json.dumps({"cells": cells, "metadata": {}}).encode()


OLD = {LESSON: notebook("1"), EXERCISE: notebook("x = ..."), PAGE: b"read"}
NEW = {LESSON: notebook("1", "2"), EXERCISE: notebook("y = ..."), PAGE: b"read me"}


@pytest.fixture
def folder(tmp_path):
    lay_out(OLD, tmp_path, "1.0")
    return tmp_path


def written(folder):
    paths = [path for path in folder.rglob("*") if path.is_file() and RECORD not in path.as_posix()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_the_first_time_all_is_added_and_the_second_time_all_is_there(tmp_path):
    assert lay_out(OLD, tmp_path, "1.0").added == sorted(OLD)
    again = lay_out(OLD, tmp_path, "1.0")
    assert (again.same, again.added, again.renewed, again.kept) == (sorted(OLD), [], [], [])
    assert written(tmp_path) == OLD


def test_what_nobody_touched_is_replaced(folder):
    done = lay_out(NEW, folder, "2.0")
    assert (done.renewed, done.kept, done.beside) == (sorted(NEW), [], [])
    assert written(folder) == NEW
    assert f"  {LESSON}" in done.text(folder)


def test_running_a_notebook_does_not_touch_it(folder):
    (folder / LESSON).write_bytes(notebook("1", execution_count=3, outputs=[{"output_type": "stream"}]))
    assert lay_out(OLD, folder, "1.0").same == sorted(OLD)
    assert b'"execution_count": 3' in (folder / LESSON).read_bytes()  # and what it gave stays
    assert LESSON in lay_out(NEW, folder, "2.0").renewed


def test_what_somebody_wrote_in_stays_and_the_new_text_lies_beside(folder):
    mine = notebook("x = 'my answer'")
    (folder / EXERCISE).write_bytes(mine)
    assert lay_out(OLD, folder, "1.0").beside == []  # the same edition has no newer text
    done = lay_out(NEW, folder, "2.0")
    beside = "exercises/01_a/01_a.2.0.ipynb"
    assert (done.kept, done.beside, done.renewed) == ([EXERCISE], [beside], [PAGE, LESSON])
    assert written(folder) == NEW | {EXERCISE: mine, beside: NEW[EXERCISE]}
    assert f"  {EXERCISE}" in done.text(folder) and f"  {beside}" in done.text(folder)
    (folder / beside).unlink()  # read, and thrown away
    assert lay_out(NEW, folder, "2.0").beside == []


def test_files_that_an_edition_no_longer_has_stay(folder):
    lay_out({PAGE: b"read me"}, folder, "2.0")
    assert written(folder) == OLD | {PAGE: b"read me"}


def test_a_file_that_was_moved_away_comes_anew(folder):
    (folder / EXERCISE).unlink()
    assert lay_out(NEW, folder, "2.0").added == [EXERCISE]
    assert written(folder) == NEW


def test_without_a_record_nothing_is_taken_for_untouched(folder):
    (folder / RECORD).write_text("{")
    done = lay_out(NEW, folder, "2.0")
    assert done.kept == sorted(NEW) and len(done.beside) == len(NEW)
    assert OLD.items() <= written(folder).items()


def test_a_link_is_somebodys_own(folder, tmp_path):
    (folder / PAGE).unlink()
    (folder / PAGE).symlink_to(tmp_path / "nowhere")
    (folder / LESSON).rename(folder / "elsewhere.ipynb")
    (folder / LESSON).symlink_to(folder / "elsewhere.ipynb")
    assert lay_out(NEW, folder, "2.0").kept == [PAGE, LESSON]
    assert (folder / "elsewhere.ipynb").read_bytes() == OLD[LESSON]


@pytest.mark.parametrize("last", range(6))
def test_a_run_that_is_cut_off_leaves_whole_files_and_can_be_started_again(folder, monkeypatch, last):
    """It ends before the write number `last`; then an edition newer still is laid out."""
    mine = notebook("x = 'my answer'")
    (folder / EXERCISE).write_bytes(mine)
    written_so_far = []

    def write(path, data):
        if len(written_so_far) == last:
            raise KeyboardInterrupt
        written_so_far.append(path)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)

    with monkeypatch.context() as cut:
        cut.setattr(laying_out, "write_whole", write)
        try:
            lay_out(NEW, folder, "2.0")
        except KeyboardInterrupt:
            assert len(written_so_far) == last
        else:
            assert last == 5, "there are five files to write: two with the record"
    assert set(written(folder).values()) <= {*OLD.values(), *NEW.values(), mine}
    newest = {name: data + b"\n" if name == PAGE else notebook("3") for name, data in NEW.items()}
    assert lay_out(newest, folder, "3.0").kept == [EXERCISE]
    found = written(folder)
    assert found.pop("exercises/01_a/01_a.3.0.ipynb") == newest[EXERCISE]
    assert found.pop("exercises/01_a/01_a.2.0.ipynb", NEW[EXERCISE]) == NEW[EXERCISE]
    assert found == newest | {EXERCISE: mine}


def test_the_folder_need_not_be_named(folder, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (folder / edition.FIRST_PAGE).write_bytes(OLD[LESSON])
    monkeypatch.chdir(folder / "exercises")
    assert edition.chosen_folder(None) == folder.resolve()  # the one that we are in
    assert edition.chosen_folder(elsewhere) == elsewhere
    monkeypatch.chdir(elsewhere)
    assert edition.chosen_folder(None) == elsewhere.resolve() / "course-workbook"
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setattr(edition.os, "access", lambda path, mode: False)
    assert edition.chosen_folder(None) == folder / "course-workbook"

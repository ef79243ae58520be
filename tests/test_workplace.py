"""Where a learner works is found from any folder in it."""

from course_utils.workplace import FIRST_PAGE, workplace


def test_the_nearest_folder_with_a_first_page(tmp_path):
    page, deep = tmp_path / "mine" / FIRST_PAGE, tmp_path / "mine" / "exercises" / "00_start_here"
    deep.mkdir(parents=True)
    page.parent.mkdir()
    page.touch()
    assert workplace(deep) == workplace(tmp_path / "mine") == tmp_path / "mine"


def test_elsewhere_it_is_the_workbook(root, tmp_path):
    assert workplace(tmp_path) == root

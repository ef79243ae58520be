"""A file is replaced whole or not at all."""

import pytest

from course_utils import files


def test_it_is_written_with_its_folder(tmp_path):
    files.write_whole(tmp_path / "a" / "b.txt", "é")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "é".encode()
    files.write_whole(tmp_path / "a" / "b.txt", b"\x00")
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"\x00"


@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_a_failure_leaves_the_old_content_and_no_litter(tmp_path, monkeypatch, step):
    files.write_whole(tmp_path / "x", "old")

    def fails(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, step, fails)
    with pytest.raises(OSError, match="No space left"):
        files.write_whole(tmp_path / "x", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_text() == "old"

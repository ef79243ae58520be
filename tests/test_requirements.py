"""What is too old, or loaded before it was brought up to date, is said in a sentence; where all is well nothing is said."""

import sys
import time
from types import SimpleNamespace

import pytest

import course_utils
from course_utils import requirements

METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}"


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder of packages first on the path: `put` lays the metadata of one there, no code."""

    def put(name, version, *requires):
        place = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        place.mkdir()
        more = "".join(f"Requires-Dist: {each}\n" for each in requires)
        (place / "METADATA").write_text(METADATA.format(name=name, version=version, more=more))

    monkeypatch.syspath_prepend(str(tmp_path))
    return put


def test_what_is_here_is_new_enough():
    assert requirements.complaint() == ""


def test_every_bound_of_the_course_is_looked_at(shelf):
    shelf("course-workbook", "9", "transformers>=5", "pandas", 'trl>=9; extra == "rl"', "soupsieve<2.8")
    assert requirements.bounds() == {"transformers": ">=5", "soupsieve": "<2.8"}


def test_too_old_is_said_with_what_to_do(shelf, monkeypatch):
    shelf("course-workbook", "9", "transformers>=5", "datasets>=4", "torch>=2.6")
    shelf("transformers", "4.57.1")
    shelf("torch", "2.9.0+cu128")
    shelf("datasets", "4.0.0")
    monkeypatch.setattr(requirements, "_loaded_before", lambda: "")  # here other versions are in memory
    assert requirements.complaint() == (
        "The workbook needs other versions than are here (transformers 4.57.1): run %pip install -q "
        '"transformers>=5" in a cell of its own, and restart the kernel.'
    )


def test_setup_begins_with_what_is_wrong(monkeypatch, capsys):
    monkeypatch.setattr(requirements, "complaint", lambda: "The workbook needs other versions.")
    course_utils.setup(profile="offline", device="cpu")
    assert capsys.readouterr().out.startswith("The workbook needs other versions.")


def test_missing_is_said_too(shelf):
    shelf("course-workbook", "9", "no-such-package>=1")
    assert (
        '(no-such-package is missing): run %pip install -q "no-such-package>=1"' in requirements.complaint()
    )


def test_an_older_one_in_memory_is_said(shelf, monkeypatch):
    shelf("course-workbook", "9", "a-library>=2", "another>=1")
    shelf("a-library", "2.1")
    shelf("another", "1.0+cu130")
    monkeypatch.setitem(sys.modules, "another", SimpleNamespace(__version__="1.0"))  # of another build
    monkeypatch.setitem(sys.modules, "a_library", SimpleNamespace(__version__="1.9"))
    assert requirements.complaint() == (
        "This notebook still has in memory a-library 1.9, where 2.1 is installed: restart the kernel, and run it "
        "from the top."
    )


def test_without_its_metadata_nothing_is_asked(monkeypatch):
    monkeypatch.setattr(requirements, "NAME", "no-such-course")
    assert requirements.bounds() == {} and requirements.complaint() == ""


def test_it_takes_no_time(record_property):
    requirements.complaint()
    begun = time.process_time()
    requirements.complaint()
    record_property("seconds", round(time.process_time() - begun, 4))
    assert time.process_time() - begun < 0.5  # measured 0.01 s

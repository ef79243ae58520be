"""A submitted file is read in every form that is unambiguous; what is something else is named."""

import json

import nbformat
import pytest

from course_utils.grading.run.reading import NeedsAPerson, Ungradable, instead_of, read_submission
from tests.grading import toy

WORDS = "greeting = 'Grüße, żółw'"
WESTERN = "greeting = 'Grüße'"
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]


def write(folder, data):
    path = folder / f"{toy.NAME}.ipynb"
    path.write_bytes(data)
    return path


def notebook(source):
    return {"cells": [toy.cell("code", "q1-answer", source, toy.marks("q1", solution=True))]}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_unicode_in_every_form(tmp_path, encoding):
    text = json.dumps(notebook(WORDS), ensure_ascii=False)
    (cell,) = read_submission(write(tmp_path, text.encode(encoding)))
    assert (cell.source, cell.ids, cell.grade_id) == (WORDS, ("q1-answer",), "q1")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_western_bytes(tmp_path, encoding):
    text = json.dumps(notebook(WESTERN), ensure_ascii=False)
    (cell,) = read_submission(write(tmp_path, text.encode(encoding)))
    assert cell.source == WESTERN


def test_colabs_place_for_an_id(tmp_path):
    cell = {"cell_type": "code", "metadata": {"id": "q1-answer"}, "source": "x"}
    assert read_submission(write(tmp_path, json.dumps({"cells": [cell]}).encode()))[0].ids == ("q1-answer",)


def test_format_3_is_upgraded(tmp_path):
    new = notebook(WORDS) | {"metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    old = nbformat.convert(nbformat.from_dict(new), 3)
    assert "worksheets" in old
    (cell,) = read_submission(write(tmp_path, json.dumps(old).encode()))
    assert (cell.source, cell.grade_id) == (WORDS, "q1")


CONFLICT = '{"cells": [\n<<<<<<< HEAD\n {"source": "x"}\n=======\n {"source": "y"}\n>>>>>>> theirs\n]}'
FOUND = {
    "a web page": b"\n<!DOCTYPE html>\n<html><body>x</body></html>",
    "a Python file": b"#!/usr/bin/env python\n# coding: utf-8\n\n# In[1]:\n\nimport math\n",
    "an unsolved conflict of git": CONFLICT.encode(),
    "a zip archive": b"PK\x03\x04" + bytes(90),
    "a PDF": b"%PDF-1.7",
}


@pytest.mark.parametrize("what", FOUND)
def test_something_else_is_named(tmp_path, what):
    with pytest.raises(NeedsAPerson, match=what):
        read_submission(write(tmp_path, FOUND[what]))


@pytest.mark.parametrize(
    "data", [b"", b'{"cells": [', b"[1]", b'{"worksheets": 3, "nbformat": 3}', b"\0" * 9]
)
def test_what_is_broken_is_refused(tmp_path, data):
    with pytest.raises(Ungradable, match="broken JSON") as caught:
        read_submission(write(tmp_path, data))
    assert not isinstance(caught.value, NeedsAPerson)


def test_a_download_in_the_notebooks_place_is_named(tmp_path):
    assert instead_of(tmp_path / f"{toy.NAME}.ipynb") == ""
    (tmp_path / f"{toy.NAME}.html").write_bytes(FOUND["a web page"])
    assert instead_of(tmp_path / f"{toy.NAME}.ipynb") == f"{toy.NAME}.html, a web page"

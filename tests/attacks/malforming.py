"""Broken and absurd submissions: what comes of accidents, other editors and ill will. None may stop the batch."""

import json
import os

from tests.attacks.attack import Attack, family
from tests.attacks.attacked import NAME, find

NOTEBOOK = f"{NAME}.ipynb"
NOTHING = {"q1": "def double(number):\n    return 0"}


def raw(name, aim, data, says="not a notebook", status="ungraded"):
    """A file that is no notebook at all: nothing to grade, and a reason."""
    return Attack(name, aim, files={NOTEBOOK: data}, keeps=(), status=status, says=says)


def empty(name, aim, data):
    """A notebook without one cell of this exercise: no points, and a person is to look."""
    return raw(name, aim, data, "to this exercise", "needs a person")


def book(cells, **more):
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **more}).encode()


def huge_cells(notebook):
    extra = {"cell_type": "code", "metadata": {}, "source": "1", "outputs": [], "execution_count": None}
    notebook["cells"] += [dict(extra, id=f"n{number}") for number in range(3000)]


def make_folder(path, names):
    path.mkdir(parents=True)


def make_fifo(path, names):
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)


def make_large(path, names):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.truncate(3 * 2**30)


FILES = [
    raw("empty-file", "an empty file", b""),
    raw("broken-json", "half a notebook", b'{"cells": [{"cell_type": "code", "sou'),
    raw("brackets", "a hundred thousand brackets", b"[" * 100_000),
    raw("objects-nested", "a hundred thousand nested objects", b'{"cells":' * 100_000 + b"1" + b"}" * 100_000),
    raw("a-list", "a list in place of a notebook", b"[1, 2, 3]"),
    raw("a-number", "a number in place of a notebook", b"4"),
    raw("null", "null in place of a notebook", b"null"),
    raw("not-utf-8", "bytes that are no text", b"\xff\xfe\x00" * 100),
    raw("binary", "a zip archive with the notebook's name", b"PK\x03\x04" + bytes(500), "a zip archive", "needs a person"),
    raw("cells-a-text", "cells that are a text", b'{"cells": "x", "metadata": {}, "nbformat": 4}'),
    raw("cells-a-dict", "cells that are a dict", b'{"cells": {"0": {}}, "nbformat": 4}'),
    empty("old-format", "a notebook of format 3, with worksheets", b'{"worksheets": [{"cells": []}], "nbformat": 3, "metadata": {}}'),
    raw("digits", "a number of a million digits", b'{"cells": ' + b"9" * 1_000_000 + b"}"),
    raw("too-large", "a file of three gigabytes", make_large, "larger than"),
    raw("folder", "a folder with the notebook's name", make_folder, "plain file"),
    raw("fifo", "a pipe with the notebook's name, which blocks whoever reads it", make_fifo, "plain file"),
    empty("no-cells", "a notebook without cells", book([])),
    empty("null-cells", "cells that are null, numbers and lists", book([None, 1, [], "x", {}, {"cell_type": None}])),
    empty("format-99", "a notebook of a format to come", book([], nbformat=99)),
    empty("metadata-a-text", "metadata that are a text", json.dumps({"cells": [], "metadata": "x", "nbformat": 4}).encode()),
    Attack("wrong-name", "a notebook of another name", files={"homework.ipynb": b"{}", NOTEBOOK: lambda path, names: None}, keeps=(), status="ungraded", says="homework.ipynb"),
    Attack("no-file", "an empty folder", files={NOTEBOOK: lambda path, names: None}, keeps=(), status="ungraded", says="there is no notebook"),
]  # fmt: skip


def strip_ids(notebook):
    for one in notebook["cells"]:
        del one["id"]


def same_ids(notebook):
    for one in notebook["cells"]:
        one["id"] = "same"


def strip_marks(notebook):
    """An editor that drops what it does not know; the cell ids are left."""
    for one in notebook["cells"]:
        one["metadata"] = {}


def odd_cells(notebook):
    notebook["cells"][:0] = [None, 3, "x", [], {"cell_type": "code"}, {"metadata": None, "source": {}}]


def numbers_as_source(notebook):
    find(notebook, "q1")["source"] = 4


def half_characters(notebook):
    find(notebook, "q1")["source"] = "x = '\ud800'\n\udfff"
    find(notebook, "q5")["source"] = "\ud83d words \x00"


def odd_marks(notebook):
    for number, one in enumerate(notebook["cells"][:4]):
        one["metadata"] = [None, "text", [1], {"nbgrader": "x"}][number]


def old_format(notebook):
    notebook["nbformat"], notebook["nbformat_minor"] = 99, -1
    strip_ids(notebook)


def copied_answer(notebook):
    """The learner copied the answer cell and worked on the copy."""
    place = notebook["cells"].index(find(notebook, "q2"))
    copy = json.loads(json.dumps(notebook["cells"][place]))
    notebook["cells"].insert(
        place, dict(copy, source="def count(words):\n    raise NotImplementedError()", id="copy")
    )


def copied_check(notebook):
    notebook["cells"].append(json.loads(json.dumps(find(notebook, "q2-check"))))


def long_source(notebook):
    find(notebook, "q1")["source"] = "# " + "x" * 5_000_000


def long_outputs(notebook):
    find(notebook, "q1")["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 5_000_000}]


def long_attachments(notebook):
    find(notebook, "q5")["attachments"] = {"../../x.html": {"text/html": "<script>alert(1)</script>" * 1000}}


def change(name, aim, function, **more):
    return Attack(name, aim, NOTHING, change=function, **more)


CHANGES = [
    change("ids-stripped", "an older editor took the cell ids", strip_ids),
    change("ids-same", "every cell has the same id", same_ids),
    change("marks-stripped", "an editor took nbgrader's metadata", strip_marks),
    change("cells-odd", "cells that are null, numbers, texts and lists among the others", odd_cells),
    change("source-a-number", "a source that is a number", numbers_as_source),
    change("half-characters", "halves of characters, which no file can hold", half_characters),
    change("marks-odd", "metadata that are null, texts and lists", odd_marks),
    change("format-99-with-cells", "a format to come, with good cells", old_format),
    change("answer-copied", "an answer cell copied; the copy is the good one", copied_answer),
    change("check-copied", "a check cell copied", copied_check),
    change("cells-3000", "three thousand cells", huge_cells),
    change("source-5-mb", "a source of 5 MB", long_source),
    change("outputs-5-mb", "an output of 5 MB", long_outputs),
    change("attachments", "attachments with markup and paths for names", long_attachments),
]

STAMPS = [
    Attack(f"stamp-{name}", f"a time stamp that is {name}", NOTHING, files={"timestamp.txt": data})
    for name, data in [
        ("words", b"yesterday"), ("empty", b""), ("noise", b"\x00\xff\xfe"), ("far", b"9999999999-01-01"), ("long", b"1" * 10_000_000),
    ]
]  # fmt: skip
STAMPS += [
    Attack("stamp-folder", "a time stamp that is a folder", NOTHING, files={"timestamp.txt": make_folder}),
    Attack("stamp-fifo", "a time stamp that is a pipe", NOTHING, files={"timestamp.txt": make_fifo}),
    Attack("other-files", "extra notebooks, archives and folders beside the right one", NOTHING, files={
        "Untitled.ipynb": b"{}", "copy/97_attacked.ipynb": b"{}", ".ipynb_checkpoints/97_attacked-checkpoint.ipynb": b"{}",
        "data.zip": b"PK", "report.html": b"<script>alert(1)</script>", "gradebook.db": b"SQLite format 3\x00",
    }),
    Attack("odd-file-names", "names with spaces, dots, new lines and markup", NOTHING, files={
        " ": b"", "...": b"", "a\nb": b"", "<script>alert(1)</script>".replace("/", "_"): b"", "-rf": b"", "x" * 200: b"",
    }),
]  # fmt: skip

ATTACKS = family("file", FILES) + family("cells", CHANGES) + family("beside", STAMPS)

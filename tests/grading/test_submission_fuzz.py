"""Whatever a submitted file holds, it is read as answers or refused, and what is made of it is a notebook."""

import json

import nbformat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from course_utils.grading.run import executor
from course_utils.grading.run.reading import NeedsAPerson, Ungradable, read_submission
from tests.grading import toy

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(["q1", "q2", "q3", "q1-check", "", "#", "../q1", "q1\x00"])
SURROGATES = st.text(
    st.characters(codec=None, categories=["Cs", "Cc", "L"]), max_size=10
)  # halves of characters too
SOURCES = st.text(max_size=60) | SURROGATES | st.lists(st.text(max_size=10), max_size=4) | JSON
CELLS = st.fixed_dictionaries(
    {},
    optional={
        "cell_type": st.sampled_from(["code", "markdown", "raw", "evil"]) | JSON,
        "id": NAMES | JSON,
        "source": SOURCES,
        "metadata": st.fixed_dictionaries(
            {"nbgrader": st.fixed_dictionaries({"grade_id": NAMES | JSON}) | JSON}
        )
        | JSON,
        "outputs": JSON,
    },
)
QUIET = settings(
    max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@QUIET
@given(st.lists(CELLS | JSON, max_size=6))
def test_any_cells_make_a_notebook(released_path, tmp_path, cells):
    path = tmp_path / "x.ipynb"
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    submitted = read_submission(path)
    original = executor.read_released(released_path)
    try:
        rebuilt = executor.rebuild(original, submitted)
    except NeedsAPerson:
        assert not any(cell.grade_id in ("q1", "q2", "q3", "q1-check", "q2-check") for cell in submitted)
        return
    nbformat.validate(nbformat.reads(nbformat.writes(rebuilt).encode(), as_version=4))
    frame = [cell for cell in rebuilt.cells if not cell.id.startswith("added-")]
    assert [cell.id for cell in frame] == [cell.id for cell in original.cells]
    assert [cell.metadata for cell in frame] == [cell.metadata for cell in original.cells]
    assert not any(cell.metadata for cell in rebuilt.cells if cell not in frame)
    checks = [cell.source for cell in original.cells if executor.question_of(cell)]
    assert [cell.source for cell in rebuilt.cells if executor.question_of(cell)] == checks


@QUIET
@given(st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_file_is_read_or_refused(tmp_path, data):
    path = tmp_path / f"{toy.NAME}.ipynb"
    path.write_bytes(data)
    try:
        read_submission(path)
    except Ungradable:
        pass


OUTPUTS = st.fixed_dictionaries(
    {},
    optional={
        "output_type": st.sampled_from(["stream", "error", "display_data", "execute_result"]) | JSON,
        "name": JSON,
        "text": SOURCES,
        "ename": SOURCES,
        "evalue": SOURCES,
        "traceback": SOURCES,
        "data": st.dictionaries(
            st.sampled_from(["text/plain", "text/html", "image/png", "image/jpeg"]), SOURCES
        )
        | JSON,
    },
)


@QUIET
@given(st.lists(OUTPUTS | JSON, max_size=5))
def test_any_outputs_are_cleaned(claims):
    outputs = executor.cleaned(claims)
    cell = nbformat.v4.new_code_cell("1", outputs=outputs)
    for output in cell.outputs:
        if output.output_type == "execute_result":
            output.execution_count = 1
        assert set(output.get("data", {})) <= {"text/plain", "image/png", "image/jpeg"}
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))
    nbformat.writes(nbformat.v4.new_notebook(cells=[cell])).encode()

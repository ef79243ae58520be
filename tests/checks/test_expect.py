"""Each expectation passes what it should, and names the rung of what it should not."""

import math

import numpy as np
import pytest
import torch

from course_utils.checks import expect
from course_utils.checks.report import Failed, Rung
from course_utils.wire.answer import Uncomputable
from course_utils.wire.references import Record

NAN = float("nan")

PASSES = [
    (expect.type_of, (1, int)),
    (expect.type_of, (True, bool)),
    (expect.type_of, ([], (list, tuple))),
    (expect.number, (0.5,)),
    (expect.each_of, (["a", "b"], str)),
    (expect.length, ([1, 2], 2)),
    (expect.shape, (np.zeros((2, 3)), (2, None))),
    (expect.shape, (torch.zeros(2), (2,))),
    (expect.keys, ({"a": 1, "b": 2}, ["a"])),
    (expect.equal, ({"a": [1, (2, "x")]}, {"a": [1, (2, "x")]})),
    (expect.equal, (2.0, 2)),
    (expect.equal, (np.arange(3), np.arange(3))),
    (expect.close, (1.0000001, 1.0)),
    (expect.all_close, ([1.0, 2.0], torch.tensor([1.0, 2.0]))),
    (expect.all_close, ([-math.inf], [-math.inf])),
    (expect.one_of, ("a", ["a", "b"])),
    (expect.at_least, (1, 1)),
    (expect.at_most, (1, 1)),
    (expect.true, (True, "x")),
]

FAILS = [
    (expect.type_of, (True, int), Rung.WRONG_TYPE),
    (expect.type_of, ("a", (int, float)), Rung.WRONG_TYPE),
    (expect.number, (True,), Rung.WRONG_TYPE),
    (expect.number, (NAN,), Rung.WRONG_VALUE),
    (expect.each_of, ("ab", str), Rung.WRONG_TYPE),
    (expect.each_of, ([1, "a"], int), Rung.WRONG_TYPE),
    (expect.length, (3, 2), Rung.WRONG_TYPE),
    (expect.length, ([1], 2), Rung.WRONG_SHAPE),
    (expect.shape, ([1], (1,)), Rung.WRONG_TYPE),
    (expect.shape, (np.zeros((2, 3)), (2,)), Rung.WRONG_SHAPE),
    (expect.shape, (np.zeros((2, 3)), (3, None)), Rung.WRONG_SHAPE),
    (expect.keys, ([], ["a"]), Rung.WRONG_TYPE),
    (expect.keys, ({"a": 1}, ["b"]), Rung.WRONG_SHAPE),
    (expect.equal, (True, 1), Rung.WRONG_TYPE),
    (expect.equal, ([1], [1, 2]), Rung.WRONG_SHAPE),
    (expect.equal, ([1, [2, 3]], [1, [2, 4]]), Rung.WRONG_VALUE),
    (expect.equal, ({"a": 1}, {"b": 1}), Rung.WRONG_SHAPE),
    (expect.equal, ({"a": 1}, {"a": 2}), Rung.WRONG_VALUE),
    (expect.equal, (NAN, 1.0), Rung.WRONG_VALUE),
    (expect.equal, ([0], np.arange(1)), Rung.WRONG_TYPE),
    (expect.equal, (np.arange(2), np.arange(3)), Rung.WRONG_SHAPE),
    (expect.equal, (np.ones(3), np.zeros(3)), Rung.WRONG_VALUE),
    (expect.close, (1.1, 1.0), Rung.WRONG_VALUE),
    (expect.close, ("1", 1.0), Rung.WRONG_TYPE),
    (expect.all_close, ([1.0, NAN], [1.0, 2.0]), Rung.WRONG_VALUE),
    (expect.all_close, ([1.0], [1.0, 2.0]), Rung.WRONG_SHAPE),
    (expect.all_close, (["x"], [1.0]), Rung.WRONG_TYPE),
    (expect.all_close, ([[1.0], [1.0, 2.0]], [[1.0], [2.0]]), Rung.WRONG_TYPE),
    (expect.one_of, (True, [1]), Rung.WRONG_VALUE),
    (expect.at_least, (0.9, 1), Rung.WRONG_VALUE),
    (expect.at_least, (math.inf, 1), Rung.WRONG_VALUE),
    (expect.at_most, (1.1, 1), Rung.WRONG_VALUE),
    (expect.true, (False, "x"), Rung.WRONG_VALUE),
]


def name(case):
    return f"{case[0].__name__} {case[1]}"[:60]


@pytest.mark.parametrize("case", PASSES, ids=name)
def test_passes(case):
    function, arguments = case
    function(*arguments, "the answer")


@pytest.mark.parametrize("case", FAILS, ids=name)
def test_fails(case):
    function, arguments, rung = case
    with pytest.raises(Failed) as caught:
        function(*arguments, "the answer")
    assert caught.value.rung is rung
    assert caught.value.expected
    assert caught.value.got


def test_a_difference_is_shown_where_it_is():
    with pytest.raises(Failed, match="item 1 of 'a' of the answer to be 4; got 3"):
        expect.equal({"a": [1, 3]}, {"a": [1, 4]}, "the answer")


def test_long_values_are_cut():
    assert len(expect.show(list(range(10_000)))) == expect.SHOWN_CHARACTERS


@pytest.mark.parametrize(
    "value",
    [bytes(50_000_000), "x" * 50_000_000, list(range(10**6)), dict.fromkeys(range(10**6)), set(range(10**6))],
    ids=type,
)
def test_a_long_value_is_shown_in_no_time(value):
    import time

    def seconds():
        started = time.process_time()
        assert len(expect.show(value)) == expect.SHOWN_CHARACTERS
        return time.process_time() - started

    assert min(seconds() for _ in range(5)) < 0.05  # of several: Python may collect garbage meanwhile


@pytest.mark.parametrize("got", [[1, 2], (1, 2), np.array([1, 2]), torch.tensor([1, 2])])
def test_a_list_may_come_in_any_container(got):
    expect.equal(got, [1, 2], "it")
    expect.equal(got, (1, 2), "it")
    expect.equal({"a": got}, {"a": [1, 2]}, "it")
    expect.all_close(got, [1.0, 2.0], "it")
    assert expect.tensor(got, "it", (2,)).tolist() == [1, 2]


def test_a_dataclass_may_come_for_a_dict():
    expect.equal(Record("Scores", {"f1": 0.5}), {"f1": 0.5}, "it")


def test_half_precision_is_compared():
    expect.all_close(torch.tensor([0.5], dtype=torch.bfloat16), [0.5], "it")
    assert expect.tensor([torch.tensor(0.5, dtype=torch.bfloat16)], "it").dtype is torch.float64


@pytest.mark.parametrize("got", [None, "word", [[1], [1, 2]], {"a": 1}])
def test_what_is_no_tensor_is_said_to_be_none(got):
    with pytest.raises(Failed, match="to hold numbers only"):
        expect.tensor(got, "it")


def test_another_length_names_what_is_missing_and_what_is_too_much():
    with pytest.raises(Failed, match=r"got 3: .*; missing: 'c', 'd'; not expected: 'x'"):
        expect.equal(["a", "x", "b"], ["a", "b", "c", "d"], "it")


@pytest.mark.parametrize(
    ("got", "words"),
    [
        (["a", "x", "c"], r"item 1 of it to be 'b'; got 'x' in .*; missing: 'b'; not expected: 'x'"),
        (
            ["b", "a", "c"],
            r"got 'b' in \['b', 'a', 'c'\]: the right items in another order than \['a', 'b', 'c'\]",
        ),
        (list("vwxyz"), r"got 5: .*; missing: 'a', 'b', 'c'; not expected: 'v', 'w', 'x' and 2 more"),
    ],
)
def test_texts_in_a_list_are_named_that_differ(got, words):
    with pytest.raises(Failed, match=words):
        expect.equal(got, ["a", "b", "c"], "it")


def test_a_function_that_prints_is_told_to_return():
    with pytest.raises(Failed, match="prints its result, gives None"):
        expect.equal(None, [1], "f(x)")
    with pytest.raises(Failed, match="prints its result, gives None"):
        expect.type_of(None, list, "f(x)")


def uncomputable():
    """As a model says it that was rebuilt."""
    raise Uncomputable("net", "IndexError: index out of range")


def test_what_cannot_be_computed_is_a_wrong_value_and_no_fault_of_the_check():
    assert expect.computed(lambda: 2 + 2, "a sum") == 4
    for ask in (lambda: 1 / 0, lambda: [][3], lambda: None.logits, lambda: int("x")):
        with pytest.raises(Failed) as failed:
            expect.computed(ask, "the logits")
        assert "the logits to be computable" in failed.value.expected
    with pytest.raises(Failed) as failed:
        expect.computed(uncomputable, "the logits")
    assert failed.value.got == "IndexError: index out of range"
    with pytest.raises(KeyboardInterrupt):
        expect.computed(lambda: (_ for _ in ()).throw(KeyboardInterrupt), "the logits")

"""An Answer brings plain data or an error that says which rung it stands on."""

from pathlib import Path

import numpy as np
import pandas
import pytest
import torch

from course_utils.wire import codec
from course_utils.wire.answer import (
    Answer,
    Crashed,
    LocalTransport,
    Lost,
    Missing,
    NotPlainData,
    NotStarted,
    TimedOut,
)


def answer(**namespace):
    return Answer(LocalTransport(namespace, None), seconds=300)


def test_values_and_calls():
    mine = answer(x=(1, 2), double=lambda n: 2 * n)
    assert mine.value("x") == (1, 2)
    assert mine.call("double", 4) == 8
    assert mine.state("x") == "tuple"
    assert mine.state("y") is None


def test_an_argument_is_a_copy():
    rows = [[1, 2]]
    assert answer(f=lambda rows: rows[0].clear() or rows).call("f", rows) == [[]]
    assert rows == [[1, 2]]


def test_errors():
    def stub():
        raise NotImplementedError

    mine = answer(stub=stub, crash=lambda: 1 / 0, odd=object())
    for path, kind in (("nothing", Missing), ("stub", NotStarted), ("crash", Crashed)):
        with pytest.raises(kind):
            mine.call(path)
    with pytest.raises(NotPlainData, match="not plain data"):
        mine.value("odd")
    with pytest.raises(NotPlainData, match="no weights"):
        mine.weights("odd")


def test_a_crash_tells_its_kind():
    with pytest.raises(Crashed) as caught:
        answer(crash=lambda: 1 / 0).call("crash")
    assert (caught.value.kind, caught.value.message) == ("ZeroDivisionError", "division by zero")


def test_texts_for_people_hold_no_orders_for_their_terminal():
    class Evil:
        def ask(self, request, seconds, bounds):
            words = "\x1b]0;owned\x07\x1b[2J\r\u202e and\ta\nline" + "x" * 5000
            return codec.encode({"status": "crashed", "kind": "\x1b[31mE", "message": words, "line": ""})

    with pytest.raises(Crashed) as caught:
        Answer(Evil()).value("x")
    assert caught.value.kind == "�[31mE"
    assert caught.value.message.startswith("�]0;owned��[2J�� and\ta\nlinexxx")
    assert len(caught.value.message) == 1000


def test_a_slow_call_is_timed_out_and_may_be_given_longer():
    import time

    slow = Answer(LocalTransport({"f": lambda: time.sleep(0.05)}, None), seconds=0.01)
    with pytest.raises(TimedOut, match="longer than"):
        slow.call("f")
    assert slow.within(300).call("f") is None


class Says:
    """A transport that answers everything with one reply, as a patched learner's side might."""

    def __init__(self, reply):
        self.reply = reply

    def ask(self, request, seconds, bounds):
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply


@pytest.mark.parametrize(
    "reply",
    [
        b"noise",
        codec.encode(3),
        codec.encode({"status": "full marks"}),
        codec.encode({"status": "ok"}),
        codec.encode({"status": ["ok"], "value": 1}),
        codec.encode({"status": "crashed", "kind": 3, "message": "", "line": ""}),
        codec.encode({"status": "missing", "message": [1]}),
    ],
)
def test_odd_replies_are_refused(reply):
    with pytest.raises(NotPlainData):
        Answer(Says(reply)).value("x")


def test_a_reply_of_another_kind_is_refused():
    reply = codec.encode({"status": "ok", "value": 3})
    for ask in (
        Answer(Says(reply)).state,
        Answer(Says(reply)).model,
        Answer(Says(reply)).folder,
        Answer(Says(reply)).weights,
    ):
        with pytest.raises(NotPlainData, match="holds an? int|holds a int"):
            ask("x")


def test_a_lost_process():
    with pytest.raises(Lost, match="gone"):
        Answer(Says(ConnectionError("gone"))).value("x")


def probed(number):
    """What the learner's function makes of a number; the tests below send this function along."""
    import math

    return math.sqrt(double(number))  # noqa: F821  (the learner's)


def test_given_code_is_the_courses_own_whatever_the_notebook_holds_under_its_name():
    namespace = {"double": lambda n: 2 * n, "probed": lambda n: "all is well"}
    mine = Answer(LocalTransport(namespace, None), seconds=300)
    assert mine.given(probed).call("probed", 8) == 4.0
    assert mine.given(probed).within(600).call("probed", 2) == 2.0
    assert mine.call("probed", 8) == "all is well"
    assert namespace.keys() == {"double", "probed"}, "what was sent along is gone"


def test_given_code_meets_a_missing_name_and_a_stub_like_any_other():
    def double(n):
        raise NotImplementedError

    with pytest.raises(Crashed, match="double"):
        answer().given(probed).call("probed", 8)
    with pytest.raises(NotStarted):
        answer(double=double).given(probed).call("probed", 8)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (torch.tensor(2), 2),
        (np.array(0.5), 0.5),
        (torch.tensor(0.5, dtype=torch.bfloat16), 0.5),
        ([torch.tensor(True), {"a": np.float32(0.25)}], [True, {"a": 0.25}]),
        (Path("a") / "b", "a/b"),
        ({"a": 1}.keys(), ["a"]),
        (range(2), [0, 1]),
        (pandas.Series([1, 2]), [1, 2]),
    ],
    ids=repr,
)
def test_what_is_a_plain_value_to_a_learner_is_one_to_a_check(value, plain):
    got = answer(f=lambda: value, x=value)
    assert got.call("f") == got.value("x") == plain
    assert type(got.call("f")) is type(plain)


def test_a_state_of_weights_keeps_its_types():
    mine = answer(f=lambda: {"steps": torch.tensor(3)})
    assert mine.exact().call("f")["steps"].dtype is torch.int64
    assert mine.exact().within(300).given(probed).call("f")["steps"].shape == ()


def test_weights_stay_tensors():
    module = torch.nn.Module()
    module.register_buffer("steps", torch.tensor(3))
    assert answer(net=module).weights("net")["steps"].shape == ()


def test_what_a_call_leaves_of_its_arguments():
    def grown(numbers, by):
        numbers.append(by)

    assert answer(f=grown).left("f", [1], 2) == [[1, 2], 2]
    assert answer(f=lambda numbers: [*numbers, 2]).left("f", [1]) == [[1]]

"""The learner's side answers what is asked, and says plainly why it cannot."""

from collections import namedtuple

import pytest

from course_utils.wire import codec
from course_utils.wire.learner import asset_loader, describe_error, respond
from course_utils.wire.references import Asset, Folder, Rows, Variable


def ask(namespace, path, call=None, deliver="value", load_asset=None):
    request = codec.encode({"path": path, "call": call, "deliver": deliver})
    return codec.decode(respond(request, namespace, load_asset), codec.MODEL)


def stub():
    raise NotImplementedError


def test_a_value_and_an_attribute():
    pair = namedtuple("Pair", "left right")(1, [2])
    assert ask({"x": 3}, "x") == {"status": "ok", "value": 3}
    assert ask({"pair": pair}, "pair.right") == {"status": "ok", "value": [2]}


@pytest.mark.parametrize("path", ["nothing", "text.nothing", "text.upper.nothing"])
def test_missing(path):
    assert ask({"text": "a"}, path)["status"] == "missing"


def test_builtins_are_not_the_learners():
    assert ask({}, "print")["status"] == "missing"


def test_a_call_with_keywords():
    assert ask({"f": lambda a, b=0: a - b}, "f", ((5,), {"b": 3}))["value"] == 2


def test_references_are_resolved_inside_containers():
    namespace = {"f": lambda items, table: [items["a"][0], items["b"], table["n"][:]], "mine": 7}
    call = (({"a": [Asset("bert", "path")], "b": Variable("mine")}, Rows({"n": [1, 2]})), {})
    reply = ask(namespace, "f", call, load_asset=lambda asset: f"/models/{asset.name}")
    assert reply["value"] == ["/models/bert", 7, [1, 2]]


def test_an_asset_that_cannot_be_loaded_is_nobodys_crash():
    def load(asset):
        raise FileNotFoundError("no such folder")

    reply = ask({"f": len}, "f", ((Asset("bert", "model"),), {}), load_asset=load)
    assert reply == {"status": "unavailable", "message": "bert (model) could not be loaded: no such folder"}


def test_a_stub_is_not_started():
    assert ask({"f": stub}, "f", ((), {}))["status"] == "not started"


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(3), GeneratorExit()])
def test_a_crash_is_described(error):
    def crash():
        raise error

    reply = ask({"f": crash}, "f", ((), {}))
    assert (reply["status"], reply["kind"]) == ("crashed", type(error).__name__)


def test_an_interrupt_passes():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask({"f": interrupted}, "f", ((), {}))


def test_the_line_is_the_learners_last():
    namespace = {}
    exec(compile("def f(row):\n    return len(row['labels'])", "<cell 1>", "exec"), namespace)
    try:
        namespace["f"]({})
    except KeyError as error:
        described = describe_error(error, namespace)
    assert described == {"kind": "KeyError", "message": "'labels'", "line": "line 2"}


def test_an_error_that_cannot_be_printed():
    class Rude(Exception):
        def __str__(self):
            raise RuntimeError

    def crash():
        raise Rude

    assert ask({"f": crash}, "f", ((), {}))["message"] == ""


def test_what_is_not_plain_is_refused():
    assert ask({"f": print}, "f")["status"] == "refused"


def test_states():
    states = [ask({"a": None, "b": [1]}, name, deliver="state")["value"] for name in "ab"]
    assert states == ["empty", "list"]


def test_a_folder(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_bytes(b"x")
    assert ask({"out": tmp_path}, "out", deliver="folder")["value"] == Folder({"sub/a.txt": b"x"})
    assert ask({"out": str(tmp_path / "none")}, "out", deliver="folder")["status"] == "refused"
    assert ask({"out": 3}, "out", deliver="folder")["status"] == "refused"


def test_weights_need_a_module():
    assert ask({"x": 3}, "x", deliver="weights")["status"] == "refused"


def test_assets_come_from_their_paths(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"n": [1, 2, 3]}), tmp_path / "test.parquet")
    load = asset_loader(lambda name: f"/models/{name}", lambda name: str(tmp_path))
    assert load(Asset("bert", "path")) == "/models/bert"
    assert load(Asset("reviews", "dataset", "test"))["n"][:] == [1, 2, 3]

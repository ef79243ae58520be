"""Values come back as they went, and bytes that mean harm are refused without harm."""

import json
import struct
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from course_utils.wire import codec
from course_utils.wire.codec import ARRAY_TYPES, TENSOR_TYPES, Bounds, CodecError, decode, encode
from course_utils.wire.references import Asset, Folder, Record, Rows, Variable

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    SCALARS | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers(-99, 99), inner, max_size=4)
        | st.sets(st.text() | st.integers(2, 99), max_size=4)
    ),
    max_leaves=20,
)


def same(one, other):
    """Equal, and of equal types all the way down (a float's sign included)."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(value, other[key]) for key, value in one.items())
    return repr(one) == repr(other) if isinstance(one, float) else one == other


@given(VALUES)
def test_plain_values_come_back_with_their_types(value):
    assert same(decode(encode(value)), value)


@given(
    hnp.arrays(
        st.sampled_from(sorted(ARRAY_TYPES)).map(np.dtype),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0),
    )
)
def test_arrays_come_back_with_type_shape_and_bits(array):
    back = decode(encode(array))
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


@pytest.mark.parametrize("kind", sorted(TENSOR_TYPES))
@pytest.mark.parametrize("shape", [(), (0,), (2, 3), (2, 0, 3)])
def test_tensors_come_back_with_type_and_shape(kind, shape):
    tensor = (torch.rand(shape) * 3).to(getattr(torch, kind))
    back = decode(encode(tensor))
    assert back.dtype == tensor.dtype
    assert back.shape == tensor.shape
    assert torch.equal(back, tensor)


def test_a_strided_big_endian_array_comes_back_in_order():
    array = np.arange(12, dtype=">f4").reshape(3, 4)[:, ::2]
    assert decode(encode(array)).tolist() == array.tolist()


def test_a_transposed_tensor_with_a_gradient_comes_back():
    tensor = torch.arange(6.0).reshape(2, 3).T.requires_grad_()
    assert decode(encode(tensor)).tolist() == tensor.tolist()


def test_numpy_scalars_become_pythons():
    assert same(decode(encode([np.float64(0.5), np.int32(3), np.bool_(True)])), [0.5, 3, True])


def test_arrays_of_texts_become_lists():
    assert decode(encode(np.array(["a", "b"]))) == ["a", "b"]


def test_tables_come_back_as_arrow():
    datasets = pytest.importorskip("datasets")
    columns = {"text": ["a", "b"], "label": [0, 1], "tags": [["x"], []], "nested": [{"k": 1}, {"k": 2}]}
    for made in (pa.table(columns), datasets.Dataset.from_dict(columns)):
        back = decode(encode(made))
        assert isinstance(back, pa.Table)
        assert back.to_pydict() == columns


def test_a_dataset_that_was_filtered_sends_only_what_is_left():
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_dict({"n": list(range(10))}).select([7, 2])
    assert decode(encode(data)).to_pydict() == {"n": [7, 2]}
    assert decode(encode(data["n"])) == [7, 2]


def test_dict_likes_become_dicts():
    from transformers import BatchEncoding

    assert decode(encode(BatchEncoding({"input_ids": [[1, 2]]}))) == {"input_ids": [[1, 2]]}


def test_references_come_back():
    asset, variable = Asset("flan-t5", "dataset", "test"), Variable("trainer.model")
    folder, record = (
        Folder({"config.json": b"{}", "base/model.safetensors": b""}),
        Record("Score", {"value": 1.0}),
    )
    assert decode(encode([asset, variable, folder, record])) == [asset, variable, folder, record]
    assert decode(encode(Rows({"n": [1, 2]}))).table.to_pydict() == {"n": [1, 2]}


def test_a_dataclass_becomes_a_record():
    @dataclass
    class Score:
        value: float
        n: int

    record = decode(encode(Score(0.5, 3)))
    assert (record.name, record.value, record.n) == ("Score", 0.5, 3)
    with pytest.raises(AttributeError, match="no field 'low'"):
        _ = record.low


class Odd:
    pass


def looped():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (print, "builtin_function_or_method is not plain data"),
        (Odd(), "an Odd is not plain data"),
        (float("nan"), "not finite"),
        ([1, {"a": float("inf")}], "not finite"),
        (2**70, "more than 64 bits"),
        ({(1, 2): 3}, "cannot be a key"),
        (looped(), "contain itself"),
        (np.zeros(2, dtype=complex), "not plain data"),
        (torch.zeros(2, dtype=torch.complex64), "not plain data"),
        (np.array([Odd()]), "an Odd is not plain data"),
        (Folder({"../up": b""}), "not one that may cross"),
        ("x" * (2**20 + 1), "at most"),
    ],
)
def test_what_is_not_plain_data_is_refused_in_words(value, words):
    with pytest.raises(CodecError, match=words):
        encode(value)


SMALL = Bounds(bytes=2000, header_bytes=1000, depth=4, nodes=50, blobs=3, text=20, files=2, columns=2)


@pytest.mark.parametrize(
    "value",
    [
        "x" * 21,
        list(range(51)),
        [[[[[1]]]]],
        [b"1", b"2", b"3", b"4"],
        np.zeros(3000, dtype="u1"),
        Folder({"a": b"", "b": b"", "c": b""}),
    ],
    ids=["text", "nodes", "depth", "blobs", "bytes", "files"],
)
def test_limits_hold_in_both_directions(value):
    with pytest.raises(CodecError):
        encode(value, SMALL)
    with pytest.raises(CodecError):
        decode(encode(value), SMALL)


def test_columns_are_limited():
    with pytest.raises(CodecError, match="columns"):
        decode(encode(pa.table({"a": [1], "b": [1], "c": [1]})), SMALL)


def message(tree, *blobs, lengths=None):
    header = json.dumps(
        {"blobs": [len(b) for b in blobs] if lengths is None else lengths, "tree": tree}
    ).encode()
    return codec.MAGIC + struct.pack(">I", len(header)) + header + b"".join(blobs)


CRAFTED = {
    "empty": b"",
    "other magic": b"PK\x03\x04" + bytes(20),
    "pickle": b"\x80\x04\x95" + bytes(30),
    "header past the end": codec.MAGIC + struct.pack(">I", 2**31) + b"{}",
    "header no dict": codec.MAGIC + struct.pack(">I", 2) + b"[]",
    "nan": codec.MAGIC + struct.pack(">I", 23) + b'{"blobs":[],"tree":NaN}',
    "infinite": codec.MAGIC + struct.pack(">I", 25) + b'{"blobs":[],"tree":1e999}',
    "long integer": message(0).replace(b'"tree": 0', b'"tree": ' + b"9" * 5000),
    "unknown tag": message(["pickle", 0], b"x"),
    "tag of another type": message([["list"], []]),
    "no tag": message([]),
    "object": message({"a": 1}),
    "blob twice": message(["list", [["bytes", 0], ["bytes", 0]]], b"x"),
    "blob not used": message(1, b"x"),
    "blob that is not there": message(["bytes", 7], b"x"),
    "blob by truth value": message(["bytes", False], b"x"),
    "negative length": message(["bytes", 0], b"x", lengths=[-1, 2]),
    "lengths too long": message(["bytes", 0], b"x", lengths=[5]),
    "array of objects": message(["array", "|O", [1], 0], b"12345678"),
    "array too large": message(["array", "<f8", [2**40, 2**40], 0], b"12345678"),
    "array of negative shape": message(["array", "<f8", [-1, -1], 0], b"12345678"),
    "array of odd truth": message(["array", "|b1", [1], 0], b"\x07"),
    "tensor of another kind": message(["tensor", "__class__", [1], 0], b"x"),
    "tensor too large": message(["tensor", "float32", [2**50], 0], b"xxxx"),
    "table of noise": message(["table", 0], b"\xff\xff\xff\xff" + bytes(60)),
    "key twice": message(["dict", [["a", 1], ["a", 2]]]),
    "key a list": message(["dict", [[["list", []], 1]]]),
    "dict of no pairs": message(["dict", [[1]]]),
    "set of lists": message(["set", [["list", []]]]),
    "asset of another kind": message(["asset", "flan-t5", "shell", None]),
    "asset outside": message(["asset", "../../etc", "path", None]),
    "variable with a call": message(["variable", "os.system('x')"]),
    "folder outside": message(["folder", [["../x", 0]]], b"x"),
    "folder absolute": message(["folder", [["/etc/x", 0]]], b"x"),
    "folder with dots": message(["folder", [["a..b", 0]]], b"x"),
    "folder name twice": message(["folder", [["a", 0], ["a", 1]]], b"x", b"y"),
    "record of a list": message(["record", "Score", ["list", []]]),
    "deep": message(0).replace(b'"tree": 0', b'"tree": ' + b"[" * 100_000 + b"]" * 100_000),
    "nodes": message(["list", [0] * 500_000]),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_messages_are_refused(name):
    data = CRAFTED[name]
    if data.startswith(codec.MAGIC) and name in (
        "long integer",
        "deep",
    ):  # their headers were changed after the length
        data = codec.MAGIC + struct.pack(">I", len(data) - 8) + data[8:]
    with pytest.raises(CodecError):
        decode(data)


def stream(table, **options):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, **options) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"a": pa.array(["x", "y"]).dictionary_encode()}),
        pa.table([[1], [2]], names=["a", "a"]),
        pa.table({"a": pa.array([1], pa.decimal128(5))}),
    ],
    ids=["dictionary", "two of a name", "decimal"],
)
def test_tables_of_other_kinds_are_refused(table):
    with pytest.raises(CodecError):
        decode(message(["table", 0], stream(table)))


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_a_table_that_is_small_only_while_compressed_is_refused_before_it_unfolds(compression):
    data = stream(pa.table({"a": np.zeros(10**6)}), options=pa.ipc.IpcWriteOptions(compression=compression))
    with pytest.raises(CodecError, match="compressed"):
        decode(message(["table", 0], data))


@pytest.mark.parametrize("rows", [2**40, 2**62, -1])
def test_rows_that_take_no_bytes_are_counted(rows):
    data = stream(pa.table({"a": pa.nulls(54_321)}))
    data = data.replace(struct.pack("<q", 54_321), struct.pack("<q", rows))
    with pytest.raises(CodecError):
        decode(message(["table", 0], data))


def test_values_inside_lists_and_structs_are_counted():
    table = pa.table({"a": [[1, 2], [3]], "b": [{"x": 1}, {"x": 2}]})
    batch = [each for each in pa.ipc.MessageReader.open_stream(stream(table)) if each.type == "record batch"]
    # 2 rows, 2 lists with 3 numbers in them, 2 structs with 2 numbers in them
    assert [codec._values_of(each.metadata.to_pybytes()) for each in batch] == [2 + 2 + 3 + 2 + 2]
    with pytest.raises(CodecError, match="more than 10 values"):
        decode(message(["table", 0], stream(table)), Bounds(values=10))


@given(st.binary(max_size=200))
def test_noise_is_refused(data):
    for noise in (data, codec.MAGIC + data, codec.MAGIC + struct.pack(">I", len(data)) + data):
        with pytest.raises(CodecError):
            decode(noise)


EXAMPLE = encode(
    {"a": [1.5, np.arange(4), torch.ones(2)], "t": pa.table({"x": [1, 2]}), "f": Folder({"a": b"xyz"})}
)


@settings(max_examples=300)
@given(st.integers(0, len(EXAMPLE) - 1), st.integers(0, 255))
def test_one_changed_byte_is_a_value_or_an_error_but_never_anything_else(place, byte):
    changed = EXAMPLE[:place] + bytes([byte]) + EXAMPLE[place + 1 :]
    try:
        decode(changed)
    except CodecError:
        pass


TABLE = stream(pa.table({"x": [1, 2, 3], "t": ["a", None, "b"], "l": [[1.0], [], [2.0, 3.0]]}))


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(TABLE) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes_of_a_table_are_a_table_or_an_error(changes):
    data = bytearray(TABLE)
    for place, byte in changes:
        data[place] = byte
    try:
        decode(message(["table", 0], bytes(data))).to_pylist()
    except (CodecError, UnicodeDecodeError):  # texts may hold any bytes, as a learner's may
        pass


@given(
    st.recursive(
        st.none()
        | st.integers()
        | st.text(max_size=5)
        | st.sampled_from(["list", "dict", "array", "folder"]),
        lambda inner: st.lists(inner, max_size=5),
        max_leaves=15,
    )
)
def test_trees_of_any_form_are_a_value_or_an_error(tree):
    try:
        decode(message(tree, b"12345678"))
    except CodecError:
        pass

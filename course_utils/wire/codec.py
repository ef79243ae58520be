"""Plain data to bytes and back, bounded, without pickle.

A message is `MAGIC`, the length of a JSON header, the header, then blobs::

    b"CWB1" | 4 bytes, big endian | {"blobs": [length, ...], "tree": node} | blob | blob ...

`None`, `bool`, `int`, `float` and `str` stand for themselves in the
tree; everything else is a list that begins with a tag, such as
`["tuple", [node, ...]]` or `["array", "<f4", [2, 3], blob number]`. So a
tuple comes back as a tuple and `1` never comes back as `1.0` or `True`.

Both directions hold the same `Bounds`. `decode` is written for bytes
from someone who means harm: it raises `CodecError` and nothing else, and
it never allocates more than the message's own size times a small factor.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import struct
from collections.abc import Callable, KeysView, Mapping, ValuesView
from functools import cache
from pathlib import PurePath
from typing import Any, ClassVar

import numpy as np

from course_utils.wire.references import ASSET_KINDS, Asset, Folder, Record, Rows, Variable

MAGIC = b"CWB1"
_LENGTH = struct.Struct(">I")

# Little-endian booleans, integers and floats. Object and string arrays are out:
# the first would need pickle, the second travel as lists of strings.
ARRAY_TYPES = frozenset(["|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8"])
TENSOR_TYPES = frozenset(
    ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]
)
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*\Z")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*){0,3}\Z")
_CATALOG_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\Z")


class CodecError(ValueError):
    """A value that may not cross, or bytes that are not a well-formed message."""


@dataclasses.dataclass(frozen=True)
class Bounds:
    """What one message may hold; `bytes` counts the whole message."""

    bytes: int = 64 * 2**20
    header_bytes: int = 16 * 2**20
    depth: int = 24
    nodes: int = 400_000
    blobs: int = 4_096
    text: int = 2**20
    integer_bits: int = 64
    dimensions: int = 8
    files: int = 64
    columns: int = 256
    values: int = 8_000_000  # of a table, those of lists and structs included


DATA = Bounds()
MODEL = Bounds(bytes=2**30)


def encode(value: object, bounds: Bounds = DATA) -> bytes:
    """Return `value` as one message.

    Raises `CodecError`, in words a learner can act on, for what is not
    plain data (a function, a model, NaN outside an array) or too large.
    """
    writer = _Writer(bounds)
    tree = writer.node(value, 0)
    header = json.dumps(
        {"blobs": [len(blob) for blob in writer.blobs], "tree": tree},
        allow_nan=False,
        separators=(",", ":"),
    ).encode()
    size = len(MAGIC) + _LENGTH.size + len(header) + sum(map(len, writer.blobs))
    if size > bounds.bytes or len(header) > bounds.header_bytes:
        raise CodecError(f"the value takes {size:,} bytes; at most {bounds.bytes:,} may be handed over")
    return b"".join([MAGIC, _LENGTH.pack(len(header)), header, *writer.blobs])


def decode(message: bytes, bounds: Bounds = DATA) -> Any:
    """Return the value in `message`; `CodecError` for anything amiss."""
    try:
        header, blobs = _open(message, bounds)
        reader = _Reader(bounds, blobs)
        value = reader.node(header["tree"], 0)
        if len(reader.used) != len(blobs):
            raise CodecError("the message has blobs that nothing refers to")
        return value
    except CodecError:
        raise
    except Exception as error:
        # Whatever a crafted message trips over further down is still only a bad message.
        raise CodecError(f"the message is malformed: {type(error).__name__}") from error


def _open(message: bytes, bounds: Bounds) -> tuple[dict, list[memoryview]]:
    if len(message) > bounds.bytes:
        raise CodecError(f"the message has {len(message):,} bytes; at most {bounds.bytes:,} are read")
    start = len(MAGIC) + _LENGTH.size
    if len(message) < start or message[: len(MAGIC)] != MAGIC:
        raise CodecError("the message does not begin as ours do")
    (length,) = _LENGTH.unpack(message[len(MAGIC) : start])
    if length > bounds.header_bytes or start + length > len(message):
        raise CodecError("the message's header is longer than it may be")
    text = bytes(message[start : start + length])
    _check_nesting(text, bounds.depth)
    header = json.loads(text, parse_constant=_refuse_constant, parse_int=_integer_parser(bounds))
    if type(header) is not dict or set(header) != {"blobs", "tree"}:
        raise CodecError("the message's header has the wrong fields")
    return header, _split(memoryview(message)[start + length :], header["blobs"], bounds)


def _split(body: memoryview, lengths: object, bounds: Bounds) -> list[memoryview]:
    if type(lengths) is not list or len(lengths) > bounds.blobs:
        raise CodecError("the message has too many blobs")
    if any(type(length) is not int or length < 0 for length in lengths) or sum(lengths) != len(body):
        raise CodecError("the blobs do not fill the message")
    blobs, start = [], 0
    for length in lengths:
        blobs.append(body[start : start + length])
        start += length
    return blobs


def _check_nesting(text: bytes, depth: int) -> None:
    """Refuse deep brackets before the JSON parser meets them (it recurses)."""
    level, most, in_string = 0, 4 * depth + 8, False
    # Most messages hold few brackets: count first, and only then look closely.
    if text.count(b"[") + text.count(b"{") <= most:
        return
    for match in re.finditer(rb'\\.|["\[\]{}]', text, re.DOTALL):
        mark = match.group()
        if mark == b'"':
            in_string = not in_string
        elif not in_string and mark in (b"[", b"{"):
            level += 1
            if level > most:
                raise CodecError(f"the value is nested more than {depth} deep")
        elif not in_string and mark in (b"]", b"}"):
            level -= 1


def _refuse_constant(name: str) -> None:
    raise CodecError(f"the number {name} is not finite")


def _integer_parser(bounds: Bounds) -> Callable[[str], int]:
    longest = len(str(2**bounds.integer_bits)) + 1

    def parse(digits: str) -> int:
        if len(digits) > longest:
            raise CodecError(f"an integer has more than {bounds.integer_bits} bits")
        return int(digits)

    return parse


@cache
def _torch() -> Any:
    import torch

    return torch


def _is_a(value: object, module: str, name: str) -> bool:
    """Whether a class of that name is among the value's, without importing its library."""
    return any(
        kind.__name__ == name and kind.__module__.split(".")[0] == module for kind in type(value).__mro__
    )


class _Writer:
    """Turns a value into nodes, collecting the blobs they refer to."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.blobs: list[bytes] = []
        self.count = 0

    def blob(self, data: bytes) -> int:
        if len(self.blobs) >= self.bounds.blobs:
            raise CodecError(f"the value holds more than {self.bounds.blobs:,} arrays")
        self.blobs.append(data)
        return len(self.blobs) - 1

    def node(self, value: object, depth: int) -> Any:
        self.count += 1
        if self.count > self.bounds.nodes:
            raise CodecError(f"the value holds more than {self.bounds.nodes:,} items")
        if depth > self.bounds.depth:
            raise CodecError(
                f"the value is nested more than {self.bounds.depth} deep (does it contain itself?)"
            )
        if value is None or isinstance(value, (bool, np.bool_)):
            return None if value is None else bool(value)
        if isinstance(value, (int, np.integer)):
            return self._integer(int(value))
        if isinstance(value, (float, np.floating)):
            return self._float(float(value))
        if isinstance(value, (str, PurePath)):
            return self._text(str(value))
        return self._container(value, depth + 1)

    def _integer(self, value: int) -> int:
        if value.bit_length() > self.bounds.integer_bits:
            raise CodecError(f"the integer has more than {self.bounds.integer_bits} bits")
        return value

    def _float(self, value: float) -> float:
        if not math.isfinite(value):
            raise CodecError(f"the number {value} is not finite")
        return value

    def _text(self, value: str) -> str:
        if len(value) > self.bounds.text:
            raise CodecError(
                f"a text has {len(value):,} characters; at most {self.bounds.text:,} may be handed over"
            )
        return value

    def _container(self, value: Any, depth: int) -> list:
        if isinstance(value, (bytes, bytearray)):
            return ["bytes", self.blob(bytes(value))]
        if isinstance(value, np.ndarray):
            return self._array(value, depth)
        if isinstance(value, (Asset, Variable, Rows, Record, Folder)):
            return self._reference(value, depth)
        if _is_a(value, "torch", "Tensor"):
            return self._tensor(value)
        if (
            _is_a(value, "pyarrow", "Table")
            or _is_a(value, "datasets", "Dataset")
            or _is_a(value, "pandas", "DataFrame")
        ):
            return self._table(value)
        if isinstance(value, Mapping):
            return ["dict", [[self._key(key), self.node(item, depth)] for key, item in value.items()]]
        if isinstance(value, list) or _is_a(value, "datasets", "Column"):
            return ["list", [self.node(item, depth) for item in value]]
        if isinstance(value, (range, KeysView, ValuesView)) or _is_a(value, "pandas", "Series"):
            return ["list", [self.node(item, depth) for item in value]]
        if isinstance(value, tuple):
            return ["tuple", [self.node(item, depth) for item in value]]
        if isinstance(value, (set, frozenset)):
            return [
                "set",
                sorted(
                    (self._key(item) for item in value), key=lambda item: (type(item).__name__, str(item))
                ),
            ]
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._dataclass(value, depth)
        raise CodecError(
            f"{_a(type(value).__name__)} is not plain data (numbers, texts, lists, dicts, arrays, "
            "tensors, tables)"
        )

    def _key(self, key: object) -> Any:
        if key is None or isinstance(key, (bool, int, float, str, np.integer, np.floating, np.bool_)):
            return self.node(key, 0)
        raise CodecError(
            f"{_a(type(key).__name__)} cannot be a key or a set's member here; use a text or a number"
        )

    def _array(self, value: np.ndarray, depth: int) -> list:
        if value.dtype.kind in "US" or (value.dtype.kind == "O" and value.ndim <= self.bounds.dimensions):
            return self.node(value.tolist(), depth)
        plain = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"), copy=False)
        if plain.dtype.str not in ARRAY_TYPES or value.ndim > self.bounds.dimensions:
            raise CodecError(f"an array of {value.dtype} with {value.ndim} dimensions is not plain data")
        return ["array", plain.dtype.str, list(value.shape), self.blob(plain.tobytes())]

    def _tensor(self, value: Any) -> list:
        torch = _torch()
        kind = str(value.dtype).removeprefix("torch.")
        if kind not in TENSOR_TYPES or value.dim() > self.bounds.dimensions or value.is_sparse:
            raise CodecError(f"a tensor of {kind} with {value.dim()} dimensions is not plain data")
        plain = value.detach().to("cpu").contiguous()
        raw = plain.reshape(-1).view(torch.uint8) if plain.numel() else torch.empty(0, dtype=torch.uint8)
        return ["tensor", kind, list(plain.shape), self.blob(raw.numpy().tobytes())]

    def _table(self, value: object) -> list:
        return ["table", self.blob(_table_bytes(value))]

    def _dataclass(self, value: Any, depth: int) -> list:
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return ["record", type(value).__name__, self.node(fields, depth)]

    def _reference(self, value: Asset | Variable | Rows | Record | Folder, depth: int) -> list:
        if isinstance(value, Asset):
            return ["asset", value.name, value.kind, value.split]
        if isinstance(value, Variable):
            return ["variable", value.path]
        if isinstance(value, Rows):
            return ["rows", self.blob(_table_bytes(value.table))]
        if isinstance(value, Record):
            return ["record", value.name, self.node(value.fields, depth)]
        if len(value.files) > self.bounds.files:
            raise CodecError(f"the folder holds more than {self.bounds.files} files")
        return [
            "folder",
            [[_checked(_FILE, name), self.blob(data)] for name, data in sorted(value.files.items())],
        ]


class _Reader:
    """Turns nodes back into values; each blob is used exactly once."""

    def __init__(self, bounds: Bounds, blobs: list[memoryview]) -> None:
        self.bounds = bounds
        self.blobs = blobs
        self.used: set[int] = set()
        self.count = 0

    def blob(self, number: object) -> memoryview:
        if type(number) is not int or not 0 <= number < len(self.blobs) or number in self.used:
            raise CodecError("a blob is missing or used twice")
        self.used.add(number)
        return self.blobs[number]

    def node(self, node: object, depth: int) -> Any:
        self.count += 1
        if self.count > self.bounds.nodes:
            raise CodecError(f"the value holds more than {self.bounds.nodes:,} items")
        if depth > self.bounds.depth:
            raise CodecError(f"the value is nested more than {self.bounds.depth} deep")
        if type(node) is list:
            return self._tagged(node, depth + 1)
        return self._scalar(node)

    def _scalar(self, node: object) -> Any:
        if node is None or type(node) is bool:
            return node
        if type(node) is str:
            if len(node) > self.bounds.text:
                raise CodecError("a text is too long")
            return node
        if type(node) is int and node.bit_length() <= self.bounds.integer_bits:
            return node
        if type(node) is float and math.isfinite(node):
            return node
        raise CodecError("a number is out of bounds")

    def _tagged(self, node: list, depth: int) -> Any:
        tag, *rest = node
        read = self._READERS.get(tag) if type(tag) is str else None
        if read is None:
            raise CodecError("a node has an unknown tag")
        return read(self, depth, *rest)

    def _list(self, depth: int, items: object) -> list:
        if type(items) is not list:
            raise CodecError("a container's items are not a list")
        return [self.node(item, depth) for item in items]

    def _tuple(self, depth: int, items: object) -> tuple:
        return tuple(self._list(depth, items))

    def _members(self, items: object) -> list:
        if type(items) is not list:
            raise CodecError("a container's items are not a list")
        self.count += len(items)
        return [self._scalar(item) for item in items]

    def _set(self, depth: int, items: object) -> set:
        return set(self._members(items))

    def _dict(self, depth: int, items: object) -> dict:
        if type(items) is not list or any(type(item) is not list or len(item) != 2 for item in items):
            raise CodecError("a dict's items are not pairs")
        result = dict(
            zip(self._members([key for key, _ in items]), [self.node(item, depth) for _, item in items])
        )
        if len(result) != len(items):
            raise CodecError("a dict has a key twice")
        return result

    def _bytes(self, depth: int, number: object) -> bytes:
        return bytes(self.blob(number))

    def _shape(self, shape: Any, itemsize: int, size: int) -> tuple[int, ...]:
        good = type(shape) is list and len(shape) <= self.bounds.dimensions
        if not good or any(type(side) is not int or not 0 <= side <= self.bounds.bytes for side in shape):
            raise CodecError("an array's shape is not a short list of sizes")
        if math.prod(shape) * itemsize != size:
            raise CodecError("an array's shape does not fit its bytes")
        return tuple(shape)

    def _array(self, depth: int, kind: Any, shape: object, number: object) -> np.ndarray:
        if kind not in ARRAY_TYPES:
            raise CodecError("an array has a type that may not cross")
        data = self.blob(number)
        shape = self._shape(shape, np.dtype(kind).itemsize, len(data))
        if kind == "|b1" and not set(bytes(data)) <= {0, 1}:
            raise CodecError("an array of truth values holds other bytes")
        return np.frombuffer(bytearray(data), dtype=kind).reshape(shape)

    def _tensor(self, depth: int, kind: Any, shape: object, number: object) -> Any:
        if kind not in TENSOR_TYPES:
            raise CodecError("a tensor has a type that may not cross")
        torch, data = _torch(), self.blob(number)
        dtype = getattr(torch, kind)
        shape = self._shape(shape, dtype.itemsize, len(data))
        if kind == "bool" and not set(bytes(data)) <= {0, 1}:
            raise CodecError("a tensor of truth values holds other bytes")
        if not data:
            return torch.empty(shape, dtype=dtype)
        return torch.frombuffer(bytearray(data), dtype=dtype).reshape(shape)

    def _table(self, depth: int, number: object) -> Any:
        import pyarrow as pa

        data = bytes(self.blob(number))
        _check_batches(data, self.bounds)
        with pa.ipc.open_stream(pa.BufferReader(data)) as stream:
            _check_schema(stream.schema, self.bounds)
            table = stream.read_all()
        table.validate(full=True)
        if table.nbytes > self.bounds.bytes:
            raise CodecError("a table is larger than it may be")
        return table.replace_schema_metadata(None)

    def _rows(self, depth: int, number: object) -> Rows:
        return Rows(self._table(depth, number))

    def _asset(self, depth: int, name: Any, kind: Any, split: Any) -> Asset:
        _checked(_CATALOG_NAME, name)
        if kind not in ASSET_KINDS or not (split is None or _checked(_CATALOG_NAME, split)):
            raise CodecError("an asset has an unknown kind or split")
        return Asset(name, kind, split)

    def _variable(self, depth: int, path: object) -> Variable:
        return Variable(_checked(_NAME, path))

    def _record(self, depth: int, name: object, fields: object) -> Record:
        fields = self.node(fields, depth)
        if type(fields) is not dict or any(type(key) is not str for key in fields):
            raise CodecError("a record's fields are not named")
        return Record(_checked(_NAME, name), fields)

    def _folder(self, depth: int, items: object) -> Folder:
        if type(items) is not list or len(items) > self.bounds.files:
            raise CodecError("a folder holds too many files")
        files = {_checked(_FILE, name): bytes(self.blob(number)) for name, number in items}
        if len(files) != len(items) or any(".." in name for name in files):
            raise CodecError("a folder has a file twice or outside itself")
        return Folder(files)

    _READERS: ClassVar[dict[str, Callable]] = {
        "list": _list,
        "tuple": _tuple,
        "set": _set,
        "dict": _dict,
        "bytes": _bytes,
        "array": _array,
        "tensor": _tensor,
        "table": _table,
        "rows": _rows,
        "asset": _asset,
        "variable": _variable,
        "record": _record,
        "folder": _folder,
    }


def _checked(pattern: re.Pattern, text: object) -> str:
    if type(text) is not str or len(text) > 256 or not pattern.match(text):
        raise CodecError(f"the name {str(text)[:60]!r} is not one that may cross")
    return text


def _a(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _table_bytes(value: Any) -> bytes:
    """An Arrow table, Dataset, DataFrame or dict of columns as an Arrow stream."""
    import pyarrow as pa

    if _is_a(value, "datasets", "Dataset"):
        value = value.with_format("arrow")[:]
    elif _is_a(value, "pandas", "DataFrame"):
        value = pa.Table.from_pandas(value, preserve_index=False)
    elif isinstance(value, Mapping):
        value = pa.table(dict(value))
    value = value.replace_schema_metadata(None).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, value.schema) as writer:
        writer.write_table(value)
    return sink.getvalue().to_pybytes()


# Where Arrow's flatbuffers keep what is looked at before a stream is read, by the order of their fields:
# https://github.com/apache/arrow/blob/main/format/Message.fbs
_HEADER = 2  # of a Message
_LENGTH_FIELD, _NODES, _COMPRESSION = 0, 1, 3  # of a RecordBatch


def _check_batches(data: bytes, bounds: Bounds) -> None:
    """Refuse a stream that would unfold to more than its own size: compressed
    batches, and rows without bytes.
    """
    import pyarrow as pa

    values = 0
    for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(data)):
        if message.type == "schema":
            continue
        if message.type != "record batch":
            raise CodecError(f"a table may not hold a {message.type}")
        values += _values_of(message.metadata.to_pybytes())
        if values > bounds.values:
            raise CodecError(f"a table holds more than {bounds.values:,} values")


def _values_of(metadata: bytes) -> int:
    """How many values a record batch says it has, in all its columns and whatever lies in them."""
    (root,) = struct.unpack_from("<I", metadata)
    batch = _indirect(metadata, _field(metadata, root, _HEADER))
    if _field(metadata, batch, _COMPRESSION):
        raise CodecError("a table may not be compressed")
    start = _field(metadata, batch, _LENGTH_FIELD)
    values = struct.unpack_from("<q", metadata, start)[0] if start else 0
    place = _field(metadata, batch, _NODES)
    nodes = _indirect(metadata, place) if place else 0
    count = struct.unpack_from("<I", metadata, nodes)[0] if place else 0
    lengths = (struct.unpack_from("<q", metadata, nodes + 4 + 16 * number)[0] for number in range(count))
    return max(values, 0) + sum(max(length, 0) for length in lengths)


def _indirect(data: bytes, place: int) -> int:
    return place + struct.unpack_from("<I", data, place)[0]


def _field(data: bytes, table: int, number: int) -> int:
    """The position of a flatbuffer table's field, 0 where it has none."""
    entries = table - struct.unpack_from("<i", data, table)[0]
    size = struct.unpack_from("<H", data, entries)[0]
    offset = struct.unpack_from("<H", data, entries + 4 + 2 * number)[0] if 4 + 2 * number < size else 0
    return table + offset if offset else 0


def _check_schema(schema: Any, bounds: Bounds) -> None:
    if len(schema) > bounds.columns or len(set(schema.names)) != len(schema):
        raise CodecError("a table has too many columns, or two of one name")
    for column in schema:
        _check_type(column.type, 0)


def _check_type(kind: Any, depth: int) -> None:
    """Only plain columns: no dictionaries, unions, extensions or run lengths."""
    from pyarrow import types

    if depth > 8:
        raise CodecError("a table's column is nested too deep")
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _check_type(kind.value_type, depth + 1)
    if types.is_struct(kind):
        for number in range(kind.num_fields):
            _check_type(kind.field(number).type, depth + 1)
        return None
    plain = (types.is_null, types.is_boolean, types.is_integer, types.is_floating, types.is_temporal)
    texts = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    if not any(test(kind) for test in plain + texts):
        raise CodecError(f"a table's column of type {str(kind)[:40]} may not cross")
    return None

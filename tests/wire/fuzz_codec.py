"""Fuzz the codec with coverage as the guide: python tests/wire/fuzz_codec.py -max_total_time=60 (needs atheris).

Whatever the bytes are, `decode` gives a value, which then survives a round trip, or raises CodecError.
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
with atheris.instrument_imports(include=["course_utils.wire"]):
    from course_utils.wire import codec
    from course_utils.wire.codec import CodecError

BOUNDS = codec.Bounds(bytes=2**16, header_bytes=2**14, nodes=2_000, values=10_000)


def decode_anything(data):
    for message in (data, codec.MAGIC + codec._LENGTH.pack(len(data)) + data, _wrapped(data)):
        try:
            value = codec.decode(message, BOUNDS)
            codec.decode(codec.encode(value))
        except CodecError:
            pass


def _wrapped(data):
    """The bytes as an Arrow table's, which noise alone would take long to reach."""
    header = b'{"blobs":[%d],"tree":["table",0]}' % len(data)
    return codec.MAGIC + codec._LENGTH.pack(len(header)) + header + data


if __name__ == "__main__":
    atheris.Setup(sys.argv, decode_anything)
    atheris.Fuzz()

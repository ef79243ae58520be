"""Attacks on the codec: what the learner's process sends to the trusted side."""

from tests.attacks.attack import Attack, family

NOTHING = "def double(number):\n    return 0\n"
# How a learner's code finds the descriptor that leads to the grader, and writes frames of its own to it.
FRAMES = """
import os, stat, struct
from course_utils.wire import codec
def frame(payload, number, kind=2):
    return struct.pack(">QQB", len(payload), number, kind) + payload
def pipes():
    for number in range(3, 256):
        try:
            if not stat.S_ISREG(os.fstat(number).st_mode) and not stat.S_ISCHR(os.fstat(number).st_mode):
                yield number
        except OSError:
            pass
def send(data):
    for number in pipes():
        try:
            os.set_blocking(number, False)
            os.write(number, data)
        except (OSError, ValueError):
            pass
RIGHT = codec.encode({"status": "ok", "value": 4, "points": 4, "rung": "right"})
"""


def says(name, aim, body, **more):
    return Attack(name, aim, {"q1": body}, **more)


RAW = [
    says("frames-ahead", "replies for the next thousand requests, sent beforehand", FRAMES + NOTHING + "for number in range(1, 1000):\n    send(frame(RIGHT, number))", keeps=()),
    says("frames-late", "replies to requests that are long over", FRAMES + "def double(number):\n    for old in range(5):\n        send(frame(RIGHT, old))\n    return 0"),
    says("frames-twice", "each reply twice", FRAMES + "def double(number):\n    for n in range(1, 40):\n        send(frame(RIGHT, n) * 2)\n    return 0", keeps=()),
    says("frames-by-thread", "replies from a thread, all the time", FRAMES + NOTHING + "import threading\ndef forever():\n    n = 0\n    while True:\n        send(frame(RIGHT, n % 60))\n        n += 1\nthreading.Thread(target=forever, daemon=True).start()", keeps=()),
    says("frames-by-child", "replies from a process that should be dead", FRAMES + NOTHING + "import os, time\nif os.fork() == 0:\n    for n in range(500):\n        send(frame(RIGHT, n % 60))\n        time.sleep(0.01)\n    os._exit(0)", keeps=()),
    says("frame-of-petabytes", "a frame that says it is a petabyte long", FRAMES + "def double(number):\n    send(struct.pack('>QQB', 2 ** 50, 1, 2))\n    return 0"),
    says("frame-without-end", "a frame of which only the beginning comes", FRAMES + "def double(number):\n    send(struct.pack('>QQB', 1000, 5, 2) + b'x')\n    while True:\n        pass", keeps=()),
    says("frames-of-noise", "random bytes in place of frames", FRAMES + "def double(number):\n    send(os.urandom(60_000))\n    return 0"),
    says("frames-stale", "half a million replies that nobody asked for", FRAMES + "def double(number):\n    for _ in range(500_000):\n        send(frame(b'', 0))\n    return 0"),
    says("drip", "a reply of one byte a second", FRAMES + "def double(number):\n    import time\n    for byte in frame(RIGHT, 7):\n        send(bytes([byte]))\n        time.sleep(1)"),
]  # fmt: skip

REPLY = """
import struct, sys
from course_utils.wire import codec, learner
def message(header, blobs=b""):
    return b"CWB1" + struct.pack(">I", len(header)) + header + blobs
def reply(make):
    real = learner.respond
    for module in [m for m in list(sys.modules.values()) if getattr(m, "respond", None) is real]:
        module.respond = lambda *a: make() if asked(a[0]) else real(*a)
def asked(request):
    return b"double" in bytes(request)
"""


def replies(name, aim, body, **more):
    """A reply to question 1 made by hand; the other questions are answered as usual."""
    return Attack(name, aim, {"q1": REPLY + NOTHING + body}, **more)


CRAFTED = [
    replies("reply-noise", "random bytes", "import os\nreply(lambda: os.urandom(1000))"),
    replies("reply-empty", "an empty reply", "reply(lambda: b'')"),
    replies("reply-short-header", "a header that is longer than the message", "reply(lambda: b'CWB1' + struct.pack('>I', 2 ** 31) + b'{}')"),
    replies("reply-deep", "a hundred thousand brackets", "reply(lambda: message(b'[' * 100_000 + b']' * 100_000))"),
    replies("reply-deep-tree", "a tree nested ten thousand deep", "reply(lambda: message(b'{\"blobs\":[],\"tree\":' + b'[\"list\",[' * 10_000 + b']]' * 10_000 + b'}'))"),
    replies("reply-numbers", "NaN, infinities and numbers of a million digits", "reply(lambda: message(b'{\"blobs\":[],\"tree\":[\"list\",[NaN,1e999,' + b'9' * 1_000_000 + b']]}'))"),
    replies("reply-lying-blobs", "blobs that overlap, are missing or negative", "reply(lambda: message(b'{\"blobs\":[-5,10],\"tree\":[\"bytes\",1]}', b'xxxxx'))"),
    replies("reply-huge-shape", "an array of 2**62 numbers without bytes", "reply(lambda: message(b'{\"blobs\":[0],\"tree\":[\"array\",\"<f8\",[4611686018427387904,0],0]}'))"),
    replies("reply-object-array", "an array of objects, which would need pickle", "import pickle\ndata = pickle.dumps(print)\nreply(lambda: message(b'{\"blobs\":[%d],\"tree\":[\"array\",\"|O\",[1],0]}' % len(data), data))"),
    replies("reply-pickle", "a pickle in place of a message", "import os, pickle\nclass P:\n    def __reduce__(self): return os.system, (f'touch {THE_DROP}/pickle',)\nreply(lambda: pickle.dumps(P()))"),
    replies("reply-tags", "tags that are no readers", "reply(lambda: message(b'{\"blobs\":[],\"tree\":[\"__class__\",[\"_READERS\"]]}'))"),
    replies("reply-asset", "references in place of values", "reply(lambda: message(b'{\"blobs\":[],\"tree\":[\"dict\",[[\"status\",\"ok\"],[\"value\",[\"asset\",\"flan-t5\",\"model\",null]]]]}'))"),
    replies("reply-record", "a record called int with every attribute", "reply(lambda: codec.encode({'status': 'ok', 'value': codec.Record('int', {'points': 4, '__eq__': True, '__class__': 'int'})}))"),
    replies("reply-status", "statuses that are not there", "reply(lambda: codec.encode({'status': 'right', 'value': 4}))"),
    replies("reply-status-type", "a status that is a list, a message that is a dict", "reply(lambda: codec.encode({'status': ['ok'], 'message': {'a': 1}}))"),
    replies("reply-nothing", "ok without a value", "reply(lambda: codec.encode({'status': 'ok'}))"),
    replies("reply-unavailable", "the course's own data claimed to be missing", "reply(lambda: codec.encode({'status': 'unavailable', 'message': '=cmd()\\x1b]0;x\\x07<script>alert(1)</script>'}))", status="ungraded"),
    replies("reply-crash", "a crash whose text is markup and control characters", "reply(lambda: codec.encode({'status': 'crashed', 'kind': '<script>', 'message': '\\x1b[2J<img src=x onerror=alert(1)>', 'line': '</code>'}))"),
    replies("reply-same-keys", "a dict with a key twice", "reply(lambda: message(b'{\"blobs\":[],\"tree\":[\"dict\",[[\"status\",\"ok\"],[\"status\",\"ok\"]]]}'))"),
    replies("reply-too-large", "a reply of a hundred megabytes", "reply(lambda: message(b'{\"blobs\":[100000000],\"tree\":[\"bytes\",0]}', bytes(100_000_000)))"),
    replies("reply-tiny-answers", "hundreds of thousands of tiny answers", "reply(lambda: message(b'{\"blobs\":[],\"tree\":[\"list\",[' + b','.join([b'1'] * 2_000_000) + b']]}'))"),
    replies("reply-table-bomb", "an Arrow table that is small only while compressed", """
def bomb():
    import io
    import pyarrow as pa
    sink = io.BytesIO()
    table = pa.table({"a": pa.array(np.zeros(40_000_000))})
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    data = sink.getvalue()
    return message(b'{"blobs":[%d],"tree":["dict",[["status","ok"],["value",["table",0]]]]}' % len(data), data)
reply(bomb)
"""),
    replies("reply-table-of-nothing", "an Arrow table of 2**40 rows that hold nothing", """
def bomb():
    import pyarrow as pa
    sink = pa.BufferOutputStream()
    batch = pa.record_batch([pa.nulls(54321)], names=["a"])
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    data = sink.getvalue().to_pybytes().replace(struct.pack("<q", 54321), struct.pack("<q", 2 ** 40))
    return message(b'{"blobs":[%d],"tree":["dict",[["status","ok"],["value",["table",0]]]]}' % len(data), data)
reply(bomb)
"""),
]  # fmt: skip
VALUES = [
    says("contains-itself", "a list that contains itself", "def double(number):\n    loop = []\n    loop.append(loop)\n    return loop"),
    says("many-small", "hundreds of thousands of small values", "def double(number):\n    return [[n] for n in range(500_000)]"),
    says("many-arrays", "a hundred thousand arrays", "def double(number):\n    return [np.zeros(1) for _ in range(100_000)]", says="arrays"),
    says("long-text", "a text of 100 MB", "def double(number):\n    return 'x' * 100_000_000", says="characters"),
    says("long-bytes", "bytes of 200 MB", "def double(number):\n    return b'x' * 200_000_000", says="bytes"),
    says("wide-dict", "a dict of a million keys", "def double(number):\n    return dict.fromkeys(range(1_000_000))", says="items"),
    says("deep-list", "a list a thousand deep", "def double(number):\n    found = 0\n    for _ in range(1000):\n        found = [found]\n    return found", says="deep"),
    says("value-half-characters", "halves of characters in values, errors and outputs", "print('\\udfff')\ndef double(number):\n    print('\\ud800')\n    if number % 2:\n        raise ValueError('\\ud800' * 9)\n    return {'\\ud800': '\\udfff'}"),
    says("evil-repr", "an object whose repr and str kill the process", "class Evil:\n    def __repr__(self): __import__('os')._exit(0)\n    __str__ = __repr__\ndef double(number):\n    return Evil()", says="plain data"),
    says("evil-exception", "an exception whose text kills the process", "class Evil(Exception):\n    def __str__(self): __import__('os')._exit(0)\ndef double(number):\n    raise Evil", says="process"),
    says("evil-attribute", "an object that never stops finding attributes", "class Evil:\n    def __getattribute__(self, name):\n        return Evil()\ndouble = Evil()"),
    says("evil-hash", "a namespace whose look-up runs code", "class Evil(dict):\n    def __missing__(self, key): return 4\nget_ipython().user_ns.update(Evil())\nglobals()['double'] = Evil()"),
]  # fmt: skip

ATTACKS = family("frame", RAW) + family("reply", CRAFTED) + family("value", VALUES)

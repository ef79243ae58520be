"""Attacks on time, memory, processes, disk and output. Each has an end of its own, far beyond any limit there should be."""

from tests.attacks.attack import Attack, family
from tests.attacks.attacked import SECONDS

NOTHING = "def double(number):\n    return 0\n"


def hang(name, aim, body, **more):
    return Attack(name, aim, {"q1": body}, **more)


LOOPS = [
    hang("endless-cell", "a cell that never ends", NOTHING + "while True:\n    pass"),
    hang("endless-sleep", "a cell that sleeps", NOTHING + "import time\ntime.sleep(10 ** 6)"),
    hang("endless-stubborn", "a cell that heeds no interrupt", NOTHING + """
import time
while True:
    try:
        time.sleep(1)
    except BaseException:
        pass
"""),
    hang("endless-signals", "every signal ignored", NOTHING + """
import signal, time
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
while True:
    time.sleep(1)
"""),
    hang("endless-call", "a function that never ends", "def double(number):\n    while True:\n        pass", says="in time"),
    hang("endless-stubborn-call", "a function that never ends and heeds no interrupt", """
def double(number):
    import time
    while True:
        try:
            time.sleep(1)
        except BaseException:
            pass
""", says="double"),
    hang("endless-iterator", "a list without end", """
class Endless(list):
    def __iter__(self):
        while True:
            yield 0
def double(number):
    return Endless()
"""),
    hang("endless-mapping", "a mapping without end", """
from collections.abc import Mapping
class Endless(Mapping):
    def __len__(self): return 1
    def __getitem__(self, key): return key
    def __iter__(self):
        number = 0
        while True:
            yield number
            number += 1
def double(number):
    return Endless()
"""),
    hang("endless-c", "a computation in C that hears no signal", NOTHING + "sum(range(10 ** 13))"),
    hang("endless-regex", "a regular expression that backtracks without end", NOTHING + "import re\nre.match('(a+)+$', 'a' * 60 + 'b')"),
    hang("endless-power", "a number with a milliard digits", "def double(number):\n    return 7 ** (7 ** 12)"),
    hang("stops-itself", "SIGSTOP to itself", NOTHING + "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"),
    hang("deadlock", "a thread that holds the import lock and the output", NOTHING + """
import sys, threading
lock = threading.Lock()
lock.acquire()
sys.stdout.write = lambda text: lock.acquire()
print("x")
"""),
    hang("slow-death", "a shutdown that hangs", NOTHING + """
import atexit, time
atexit.register(lambda: time.sleep(10 ** 6))
class Last:
    def __del__(self): time.sleep(10 ** 6)
last = Last()
"""),
    hang("just-under-the-limit", "cells and calls that sleep just under each limit", f"""
import time
time.sleep({0.8 * SECONDS})
def double(number):
    time.sleep({0.8 * SECONDS})
    return 0
"""),
]  # fmt: skip

ENDS = [
    hang("exit", "os._exit in the cell", NOTHING + "import os\nos._exit(0)"),
    hang("exit-in-call", "os._exit while it is asked", "def double(number):\n    import os\n    os._exit(0)", says="process"),
    hang("exit-each-time", "os._exit in every answer", "import os\nos._exit(1)", keeps=()),
    hang("sys-exit", "sys.exit and raise SystemExit", NOTHING + "import sys\nsys.exit(4)"),
    hang("abort", "SIGABRT and SIGSEGV", NOTHING + "import ctypes\nctypes.string_at(0)"),
    hang("abort-in-call", "a segmentation fault while it is asked", "def double(number):\n    import ctypes\n    return ctypes.string_at(0)"),
    hang("kill-itself", "SIGKILL to itself", NOTHING + "import os\nos.kill(os.getpid(), 9)"),
    hang("recursion", "a recursion without end, the limit lifted", NOTHING + "import sys\nsys.setrecursionlimit(10 ** 8)\ndef deep(n): return deep(n + 1)\ndeep(0)"),
    hang("recursion-in-call", "a recursion while it is asked", "import sys\nsys.setrecursionlimit(10 ** 8)\ndef double(number):\n    return double(number)"),
    hang("close-descriptors", "every open file closed", NOTHING + "import os\nos.closerange(0, 4096)"),
    hang("close-in-call", "every open file closed while it is asked", "def double(number):\n    import os\n    os.closerange(0, 4096)\n    return 2 * number + 1"),
    hang("exec", "another program in its place", NOTHING + "import os\nos.execv('/bin/sh', ['sh', '-c', 'exit 0'])"),
    hang("syntax", "an answer that is no Python", "def double(number:\n  return"),
    hang("null-bytes", "an answer with NUL bytes and lone surrogates", "def double(number):\n    return '\\ud800'\n# \x00"),
]  # fmt: skip

BOMBS = [
    hang("memory", "all the memory there is", NOTHING + "held = []\nfor _ in range(400):\n    held.append(bytearray(64 * 2 ** 20))", wild=True),
    hang("memory-in-call", "all the memory there is, while it is asked", "def double(number):\n    return [bytearray(64 * 2 ** 20) for _ in range(400)]", wild=True),
    hang("memory-numpy", "a huge array", NOTHING + "huge = np.ones((300, 2 ** 24))", wild=True),
    hang("memory-mapped", "shared and mapped memory", NOTHING + "import mmap\nheld = []\nfor _ in range(400):\n    one = mmap.mmap(-1, 64 * 2 ** 20)\n    one.write(b'x' * 64 * 2 ** 20)\n    held.append(one)", wild=True),
    hang("fork", "forks without end", NOTHING + "import os, time\nend = time.monotonic() + 3\nwhile time.monotonic() < end:\n    try:\n        os.fork()\n    except OSError:\n        time.sleep(0.01)\nif os.getpid() % 1 == 0 and time.sleep(60): pass", wild=True, keeps=()),
    hang("threads", "threads without end", NOTHING + "import threading, time\nfor _ in range(20_000):\n    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()", wild=True),
    hang("disk", "gigabytes in its own folder", NOTHING + "with open('big', 'wb') as file:\n    for _ in range(100):\n        file.write(b'x' * 64 * 2 ** 20)", wild=True),
    hang("disk-temporary", "gigabytes in /tmp and /dev/shm", NOTHING + "for place in ('/tmp', '/dev/shm', '/var/tmp'):\n    try:\n        with open(place + '/course-attack-big', 'wb') as file:\n            for _ in range(60):\n                file.write(b'x' * 64 * 2 ** 20)\n    except OSError as error:\n        print(type(error).__name__)", wild=True),
    hang("files", "a million small files", NOTHING + "for number in range(200_000):\n    open(f'small{number}', 'w').close()", wild=True),
    hang("folders", "a folder in a folder, ten thousand deep", NOTHING + "import os\nfor _ in range(10_000):\n    os.mkdir('d')\n    os.chdir('d')"),
    hang("descriptors-used-up", "as many open files as may be", NOTHING + "held = []\nwhile len(held) < 100_000:\n    held.append(open('/dev/null'))", wild=True),
    hang("undeletable", "files and folders that cannot be deleted easily", NOTHING + "import os\nos.mkdir('kept')\nopen('kept/file', 'w').close()\nos.chmod('kept', 0)\nos.mkfifo('pipe')\nopen('\\udcff', 'w').close()"),
]  # fmt: skip

FLOODS = [
    hang("flood-stdout", "200 MB of stdout", NOTHING + "for _ in range(200):\n    print('x' * 2 ** 20)"),
    hang("flood-one-line", "200 MB in one line", NOTHING + "import sys\nsys.stdout.write('x' * 200 * 2 ** 20)"),
    hang("flood-descriptor", "200 MB written to descriptors 1 and 2", NOTHING + "import os\nfor _ in range(200):\n    os.write(1, b'x' * 2 ** 20)\n    os.write(2, b'x' * 2 ** 20)"),
    hang("flood-program", "a program's 200 MB", NOTHING + "get_ipython().system('yes | head -c 200000000')"),
    hang("flood-displays", "100,000 displayed values", NOTHING + "from IPython.display import display\nfor number in range(100_000):\n    display(number)"),
    hang("flood-rich", "one rich output of 50 MB", NOTHING + "from IPython.display import HTML, display\ndisplay(HTML('x' * 50 * 2 ** 20))"),
    hang("flood-picture", "a picture of 50 MB", NOTHING + "from IPython.display import Image, display\ndisplay(Image(data=b'\\x89PNG' + b'x' * 50 * 2 ** 20, format='png'))"),
    hang("flood-exception", "an exception of 50 MB", NOTHING + "raise ValueError('x' * 50 * 2 ** 20)"),
    hang("flood-exception-in-call", "an exception of 50 MB while it is asked", "def double(number):\n    raise ValueError('x' * 50 * 2 ** 20)"),
    hang("flood-carriage-returns", "a progress bar that writes ten million times", NOTHING + "import sys\nfor number in range(200_000):\n    sys.stdout.write(f'\\r{number}')"),
    hang("flood-traceback", "a traceback of thousands of frames", NOTHING + "def deep(n):\n    if n: return deep(n - 1)\n    raise ValueError\ndeep(900)"),
    hang("flood-terminal", "escape sequences for the instructor's terminal", "def double(number):\n    raise ValueError('\\x1b]0;owned\\x07\\x1b[2J\\x1b[31m\\r\\nann,97_attacked,100')"),
]  # fmt: skip

FLOODS.append(
    hang("flood-forged", "outputs that no cell made, as many and as long as the wire takes", NOTHING + """
import sys
worker = sys.modules["course_utils.grading.run.worker"]
text = ("\\x1b[31m" + "<b>x</b>" * 12) * 900
run_cell = worker.run_cell
def forged(shell, source):
    run_cell(shell, source)
    return {"failed": False, "outputs": [{"output_type": "stream", "name": "stdout", "text": text}] * 150}
worker.run_cell = forged
""")
)  # fmt: skip

ATTACKS = family("hang", LOOPS) + family("end", ENDS) + family("bomb", BOMBS) + family("flood", FLOODS)

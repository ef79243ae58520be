"""Attacks on others: their files, the gradebook, the grader's processes, and whoever is graded next."""

from tests.attacks.attack import Attack, family
from tests.attacks.reading import NOTHING, SHOW

MARK = "course-attack-survivor"  # in the command line of everything that is meant to outlive the grading


def harm(name, aim, body, **more):
    return Attack(name, aim, {"q1": NOTHING + body}, **more)


TRY = """
def attempt(function, *arguments):
    try:
        print("did it", function(*arguments))
    except BaseException as error:
        print(type(error).__name__)
"""
WRITES = [
    harm("gradebook-write", "full marks, written straight into the gradebook", TRY + """
import sqlite3
def write():
    book = sqlite3.connect(THE_CLASS + "/gradebook.db", timeout=1)
    book.execute("update grade set auto_score = 100, manual_score = 100, needs_manual_grade = 0")
    book.commit()
attempt(write)
"""),
    harm("gradebook-lock", "a lock on the gradebook that is held on", TRY + """
import sqlite3
def lock():
    book = sqlite3.connect(THE_CLASS + "/gradebook.db", timeout=1, isolation_level=None)
    book.execute("begin exclusive")
    return book
held = []
attempt(lambda: held.append(lock()))
"""),
    harm("gradebook-journal", "a journal beside the gradebook that rolls it back", TRY + """
attempt(lambda: open(THE_CLASS + "/gradebook.db-journal", "wb").write(b"\\xd9\\xd5\\x05\\xf9\\x20\\xa1\\x63\\xd7" * 100))
attempt(lambda: open(THE_CLASS + "/gradebook.db-wal", "wb").write(b"x" * 4096))
"""),
    harm("gradebook-delete", "no gradebook any more", TRY + "import os\nattempt(os.remove, THE_CLASS + '/gradebook.db')\nattempt(os.truncate, THE_CLASS + '/gradebook.db', 0)"),
    harm("results-write", "marks in results.jsonl and grades.csv", TRY + """
for name in ("results.jsonl", "grades.csv", "grading.seed", "nbgrader_config.py", "batch.jsonl"):
    attempt(lambda: open(THE_CLASS + "/" + name, "a").write("forged"))
"""),
    harm("config-write", "code in the class's nbgrader_config.py, which the next command runs", TRY + """
attempt(lambda: open(THE_CLASS + "/nbgrader_config.py", "a").write("import os; os.system('touch ' + %r)" % (THE_DROP + "/config")))
"""),
    harm("submissions-write", "other students' notebooks", TRY + """
import glob
for path in glob.glob(THE_SUBMITTED + "/*/*/*.ipynb") + glob.glob(THE_CLASS + "/*/*/*/*.ipynb"):
    attempt(lambda: open(path, "w").write("{}"))
    break
"""),
    harm("submissions-delete", "the folder of everything handed in", TRY + "import shutil\nattempt(shutil.rmtree, THE_SUBMITTED)\nattempt(shutil.rmtree, THE_SOLUTIONS)"),
    harm("checks-write", "the checks' own source", TRY + """
import glob
for path in glob.glob(THE_REPOSITORY + "/course_utils/checks/*.py")[:2]:
    attempt(lambda: open(path, "a").close() or open(path, "a").write(""))
attempt(lambda: open(THE_REPOSITORY + "/course_utils/checks/planted.py", "w").write("raise SystemExit"))
""", wild=True),
    harm("packages-write", "a module in site-packages that every Python runs", TRY + """
import site, sys
for place in (*site.getsitepackages(), sys.prefix, sys.base_prefix + "/lib"):
    attempt(lambda: open(place + "/course_attack_planted.pth", "w").write("import os"))
    attempt(lambda: open(place + "/usercustomize.py", "w").write("print('planted')"))
""", wild=True),
    harm("home-write", "start-up files in the grader's home", TRY + """
from pathlib import Path
for name in (".bashrc", ".ipython/profile_default/startup/00.py", ".config/pip/pip.conf", ".local/lib/python3.11/site-packages/usercustomize.py"):
    attempt(lambda: Path(THE_HOME, name).write_text("planted"))
"""),
    harm("drop-write", "a file outside its own scratch folder", TRY + "attempt(lambda: open(THE_DROP + '/dropped', 'w').write('secrets'))\nattempt(lambda: open('/tmp/course-attack-dropped', 'w').write('x'))"),
    harm("path-traversal", "files reached by .. and by /proc/self/cwd", TRY + """
import os
for place in ("../../../dropped", "/proc/self/cwd/../dropped", os.path.relpath(THE_DROP) + "/dropped"):
    attempt(lambda: open(place, "w").write("x"))
"""),
    harm("links-out", "a hard link and a rename into the class's folder", TRY + """
import os
open("mine", "w").write("x")
attempt(os.link, "mine", THE_DROP + "/linked")
attempt(os.rename, "mine", THE_DROP + "/renamed")
attempt(os.symlink, THE_HOME + "/.netrc", THE_DROP + "/symlinked")
attempt(os.link, THE_HOME + "/.netrc", "stolen")
attempt(lambda: print(open("stolen").read()))
"""),
    harm("permissions", "chmod, chown, utime and xattr of others' files", TRY + """
import os
for path in (THE_CLASS + "/gradebook.db", THE_CLASS + "/grading.seed", THE_HOME + "/.netrc", THE_SUBMITTED):
    attempt(os.chmod, path, 0o777)
    attempt(os.chown, path, 65534, 65534)
    attempt(os.utime, path, (0, 0))
    attempt(os.setxattr, path, "user.a", b"b")
"""),
]  # fmt: skip

PROCESSES = [
    harm("subprocess", "a program that outlives the cell", f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "{MARK}"])
"""),
    harm("daemon", "a program in a session of its own, twice forked", f"""
import os, subprocess, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", "{MARK}"])
    os._exit(0)
"""),
    harm("late-writer", "a program that writes to the gradebook when the grading is over", f"""
import subprocess, sys
code = "import time, sqlite3; time.sleep(3); sqlite3.connect(" + repr(THE_CLASS + "/gradebook.db") + ").executescript('update grade set auto_score = 100')"
subprocess.Popen([sys.executable, "-c", code, "{MARK}"], start_new_session=True)
"""),
    harm("fork-answers", "a forked copy of the notebook that goes on answering in its place", """
import os
if os.fork():
    import time
    time.sleep(30)
"""),
    harm("thread", "a thread that never ends and prints", """
import threading, time
def forever():
    while True:
        print("still here")
        time.sleep(0.01)
threading.Thread(target=forever, daemon=False).start()
"""),
    harm("at-exit", "what runs when the process is done", f"""
import atexit, os, subprocess, sys
atexit.register(lambda: subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "{MARK}"]))
class Last:
    def __del__(self): os.system("sleep 600 # {MARK} &")
last = Last()
"""),
    harm("kill-parent", "SIGKILL and SIGTERM to the parent", """
import os, signal
for number in (signal.SIGTERM, signal.SIGKILL):
    try:
        os.kill(os.getppid(), number)
        print("sent", os.getppid())
    except OSError as error:
        print(type(error).__name__)
""", wild=True),
    harm("stop-parent", "SIGSTOP to the parent and to its group", """
import os, signal
for target in (os.getppid(), -os.getpgid(os.getppid())):
    try:
        os.kill(target, signal.SIGSTOP)
    except OSError as error:
        print(type(error).__name__)
""", wild=True, keeps=()),
    harm("kill-all", "SIGKILL to every process there is", """
import os, signal
try:
    os.kill(-1, signal.SIGKILL)
except OSError as error:
    print(type(error).__name__)
""", wild=True),
    harm("kill-neighbours", "SIGKILL to every process that can be seen, one by one", """
import os, signal
for name in os.listdir("/proc"):
    if name.isdigit() and int(name) not in (os.getpid(), 1):
        try:
            os.kill(int(name), signal.SIGKILL)
        except OSError:
            pass
""", wild=True),
    harm("priority", "its own priority and the limits of others", """
import os, resource
for attempt in (lambda: os.setpriority(os.PRIO_PROCESS, os.getppid(), 19), lambda: os.nice(-20),
                lambda: resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (1, 1)),
                lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1))):
    try:
        print(attempt())
    except (OSError, ValueError) as error:
        print(type(error).__name__)
""", wild=True),
    harm("terminal", "keystrokes into the grader's terminal", """
import fcntl, os
for name in ("/dev/tty", "/dev/console", "/proc/self/fd/0"):
    try:
        line = os.open(name, os.O_RDWR)
        for letter in b"touch planted\\n":
            fcntl.ioctl(line, 0x5412, bytes([letter]))
        print("typed")
    except OSError as error:
        print(type(error).__name__)
"""),
]  # fmt: skip

NEXT = [
    harm("left-for-the-next", "marks in every shared place, for the next one to find", """
import os, sys
for place in ("/tmp", "/var/tmp", "/dev/shm", os.path.expanduser("~"), ".", "/run"):
    try:
        open(place + "/course-attack-left", "w").write("left")
    except OSError:
        pass
sys.modules["course_attack_left"] = sys
import builtins
builtins.course_attack_left = True
"""),
    harm("found-by-the-next", "what the one before has left", """
import builtins, os, sys
for place in ("/tmp", "/var/tmp", "/dev/shm", os.path.expanduser("~"), ".", "/run"):
    if os.path.exists(place + "/course-attack-left"):
        print("LEFT" + " BEHIND", place)
if "course_attack_left" in sys.modules or hasattr(builtins, "course_attack_left"):
    print("LEFT" + " BEHIND in memory")
"""),
    harm("start-up-files", "start-up files in the scratch home, then a crash, so that a new process reads them", """
import os
from pathlib import Path
home = Path(os.environ.get("HOME", "."))
version = "python3.%d" % __import__("sys").version_info.minor
planted = "import builtins; builtins.planted = True"
for name in (f".local/lib/{version}/site-packages/usercustomize.py", f".local/lib/{version}/site-packages/numpy.py",
             ".ipython/profile_default/startup/00.py", "profile_default/startup/00.py", "sitecustomize.py", "course_utils.py", "json.py"):
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(planted)
    Path(path.name).write_text(planted)
os._exit(1)
"""),
    Attack("start-up-files-found", "a process started anew that read planted start-up files", {
        "q1": NOTHING + "import builtins\nprint('PLAN' + 'TED' if hasattr(builtins, 'planted') else 'nothing')",
        "q2": "import os\nfrom pathlib import Path\nPath('sitecustomize.py').write_text('import builtins; builtins.planted = True')\nPath('numpy.py').write_text('raise SystemExit')\nos._exit(3)",
    }, keeps=("q3",)),
    harm("environment-for-the-next", "settings in the environment, then a crash", """
import os
os.environ.update(PYTHONPATH=".", PYTHONSTARTUP="x.py", LD_PRELOAD="./x.so", HF_ENDPOINT="http://127.0.0.1:1", COURSE_PROFILE="hub")
os._exit(1)
"""),
    harm("caches", "a poisoned file in the caches of models and data", SHOW + TRY + """
import os
for name in ("COURSE_CACHE", "HF_HOME", "MPLCONFIGDIR", "TMPDIR"):
    place = os.environ.get(name, "/tmp")
    attempt(lambda: os.makedirs(place, exist_ok=True) or open(place + "/planted", "w").write("x"))
import course_utils
for folder in (os.path.dirname(course_utils.__file__) + "/models/assets", os.path.dirname(course_utils.__file__) + "/__pycache__"):
    attempt(lambda: open(folder + "/planted", "w").write("x"))
""", wild=True),
]  # fmt: skip

SHADOWS = [
    Attack(f"shadow-{name}", f"a local {name} beside the notebook", {"q1": NOTHING}, files={place: b"raise SystemExit('shadowed')"})
    for name, place in [
        ("numpy", "numpy.py"), ("torch", "torch/__init__.py"), ("json", "json.py"), ("course_utils", "course_utils/__init__.py"),
        ("sitecustomize", "sitecustomize.py"), ("ipykernel-launcher", "ipykernel_launcher.py"), ("conftest", "conftest.py"),
        ("nbgrader-config", "nbgrader_config.py"), ("jupyter-config", "jupyter_config.json"), ("codec", "course_utils/wire/codec.py"),
        ("pth", "x.pth"), ("ipython-config", "ipython_config.py"),
    ]
]  # fmt: skip

ATTACKS = (
    family("write", WRITES) + family("process", PROCESSES) + family("next", NEXT) + family("shadow", SHADOWS)
)

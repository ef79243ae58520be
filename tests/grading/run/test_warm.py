"""The warm process and its children, in each sandbox that this machine can have: what is held, and what is left."""

import os
import time
from pathlib import Path

import psutil
import pytest

from course_utils.grading.run import warm, zygote
from course_utils.grading.run.warm import Nursery, SandboxError
from course_utils.grading.sandbox import canaries
from course_utils.grading.sandbox.confine import Caps
from course_utils.install import ROOT
from course_utils.wire import codec
from course_utils.wire.pipes import RUN

CAPS = Caps(memory=2**29, disk=2**24, processes=16, files=128, seconds=60)


@pytest.fixture(scope="module", params=["bwrap", "container"])
def nursery(request, tmp_path_factory):
    """A nursery in one of the sandboxes, with small caps and a secret that nobody may read."""
    secret = tmp_path_factory.mktemp("grader") / "secret"
    secret.write_text("the seed")
    nursery = Nursery(request.param, secrets=(str(secret), str(secret.parent)), caps=CAPS)
    nursery.secret = secret
    try:
        nursery.open()
    except SandboxError as error:
        pytest.skip(f"{request.param} cannot stand here: {error}")
    yield nursery
    nursery.close()


class Talk:
    """A child to talk to."""

    def __init__(self, nursery):
        self.child = nursery.start()
        self.used = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.used = self.child.stop()

    def run(self, source, seconds=120):
        reply = codec.decode(self.child.pipe.exchange(RUN, codec.encode(source), seconds, codec.DATA.bytes))
        return "".join(
            output.get("text")
            or output.get("data", {}).get("text/plain", "")
            or f"{output['ename']}: {output['evalue']}"
            for output in reply["outputs"]
        ).strip()


@pytest.fixture
def talk(nursery):
    with Talk(nursery) as talk:
        yield talk


def lives(process):
    """Whether a process has not ended; a zombie has."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it ended while we looked
        return False


def descendants():
    """Living processes that this one has brought into the world."""
    return {each.pid for each in psutil.Process().children(recursive=True) if lives(each)}


def end_soon(processes, seconds=60):
    """Whether all of some processes end within that time."""
    deadline = time.monotonic() + seconds
    while any(lives(each) for each in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


# --- the sandbox -----------------------------------------------------------------------------------------


def test_every_canary_was_held(nursery):
    assert set(nursery.reached) == set(canaries.CANARIES)
    assert not any(nursery.reached.values())
    assert nursery.level.endswith(f" {len(canaries.CANARIES)}/{len(canaries.CANARIES)}")


def test_a_canary_that_comes_through_stops_everything(nursery, monkeypatch):
    monkeypatch.setattr(warm.Warm, "probe", lambda self, secrets: {"no network": "TCP reaches 127.0.0.1"})
    with pytest.raises(SandboxError, match=r"'no network' came through.*--sandbox none"):
        Nursery(nursery.level.split()[0]).open()


@pytest.mark.parametrize(
    "source",
    [
        "open({secret!r}).read()",
        "import os; os.listdir(os.path.dirname({secret!r}))",
        "open('/etc/passwd').read()",
        "open('/proc/1/environ').read()",
        "import os; open(f'/proc/{{os.getppid()}}/environ').read()",
        "import os; os.listdir('/root')",
        "import os; os.listdir('/')",
        "open({checks!r}).read()",
        "import socket; socket.create_connection(('127.0.0.1', 22))",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "import os; os.setuid(0)",
        "open('/usr/x', 'w')",
        "import os; open(os.path.join(os.path.dirname(os.__file__), 'x.py'), 'w')",
        "import os; os.chroot('/')",
        "import os; os.mknod('device', 0o20666, os.makedev(1, 1)); open('device')",
    ],
)
def test_what_is_outside_stays_outside(talk, nursery, root, source):
    checks = str(root / "course_utils" / "checks" / "framework.py")
    said = talk.run(source.format(secret=str(nursery.secret), checks=checks))
    assert said.startswith(("PermissionError", "FileNotFoundError", "OSError", "ProcessLookupError"))


def test_nobody_is_root(talk):
    assert (
        "0"
        not in talk.run("import os; print(os.getuid(), os.geteuid(), os.getgid(), *os.getgroups())").split()
    )


def test_it_may_look_into_itself(talk):
    assert talk.run("open('/proc/self/environ').read() != ''") == "True"
    assert int(talk.run("import psutil; psutil.Process().memory_info().rss")) > 0


def test_bubblewraps_children_have_a_user_namespace_of_their_own(nursery, talk):
    if nursery.level.startswith("container"):
        pytest.skip("a container may not let anybody make one")
    user = int(talk.run("import os; os.getuid()"))
    assert talk.run("print(open('/proc/self/uid_map').read().split())") == str([str(user), str(user), "1"])


def test_the_grader_is_not_to_be_killed(nursery):
    with Talk(nursery) as talk:
        talk.run("import os, signal\ntry:\n    os.kill(os.getppid(), signal.SIGKILL)\nexcept OSError: pass")
    with Talk(nursery) as talk:
        assert talk.run("40 + 2") == "42"


# --- limits -------------------------------------------------------------------------------------------


def test_memory(talk):
    assert talk.run("x = bytearray(2**30)").startswith("MemoryError")


def test_memory_of_all_processes_together(nursery):
    with Talk(nursery) as talk:
        source = "import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n        x = bytearray(3 * 2**26)\n        x[::4096] = b'1' * len(x[::4096]); time.sleep(60)\ntime.sleep(60)"
        with pytest.raises(ConnectionError):
            talk.run(source)
    assert "held more than 0.5 GB" in talk.used.why


def test_processes(talk):
    source = "import os\ncount = 0\ntry:\n    while count < 100:\n        if os.fork() == 0: os.wait() if False else __import__('time').sleep(60)\n        count += 1\nexcept OSError: pass\ncount"
    assert 5 < int(talk.run(source)) <= CAPS.processes


def test_open_files(talk):
    assert talk.run("x = [open('/dev/null') for _ in range(999)]").startswith("OSError: [Errno 24]")


def test_disk(nursery):
    with Talk(nursery) as talk:
        source = "for number in range(100):\n    with open(f'f{number}', 'wb') as file:\n        for _ in range(8): file.write(bytes(2**20))\n__import__('time').sleep(60)"
        try:
            said = talk.run(source)
        except ConnectionError:
            said = ""
    assert said.startswith("OSError: [Errno 28]") or "wrote more than" in talk.used.why


def test_one_large_file(nursery):
    with Talk(nursery) as talk:
        try:
            said = talk.run("with open('f', 'wb') as file:\n    for _ in range(99): file.write(bytes(2**20))")
        except ConnectionError:
            said = ""
    assert (
        said.startswith(("OSError: [Errno 27]", "OSError: [Errno 28]")) or "wrote more than" in talk.used.why
    )


# --- what is left -------------------------------------------------------------------------------------

LINGERERS = {
    "a child": "import os, time\nif os.fork() == 0: time.sleep(99)",
    "a child that left its session": "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(99)\n    os._exit(0)",
    "a program": "import subprocess; subprocess.Popen(['sleep', '99'], start_new_session=True)",
    "a thread": "import threading, time; threading.Thread(target=lambda: time.sleep(99)).start()",
    "deaf ones": "import os, signal, time\nfor number in range(1, 32):\n    try: signal.signal(number, signal.SIG_IGN)\n    except OSError: pass\nif os.fork() == 0: time.sleep(99)",
    "forks without end": "import os\nfor _ in range(8):\n    if os.fork() == 0:\n        while True:\n            try:\n                if os.fork() == 0: os.setsid()\n                else: os._exit(0)\n            except OSError: pass",
}


@pytest.mark.parametrize("name", LINGERERS)
def test_nothing_outlives_its_submission(nursery, name):
    before = descendants()
    with Talk(nursery) as talk:
        talk.run(LINGERERS[name])
    assert descendants() <= before
    assert nursery.open().alive


def test_what_a_dead_child_left_ends_at_once(nursery):
    """Its pipes must not stay open in some process of its, which could go on answering."""
    with Talk(nursery) as talk, pytest.raises(ConnectionError):
        talk.run("import os, time\nif os.fork() == 0: time.sleep(999)\nos._exit(1)", seconds=300)


def test_a_strangers_file_that_goes_away_meanwhile_stops_nothing(monkeypatch, tmp_path):
    """/dev/shm may be everybody's, where no other sandbox than the user stands."""
    monkeypatch.setattr(zygote, "_listed", lambda folder: ["gone", "left"])
    (tmp_path / "left").write_text("x")
    zygote._empty(str(tmp_path), os.getuid())
    assert not (tmp_path / "left").exists()


def test_nothing_is_seen_by_the_next(nursery):
    leave = """
import os, sys, builtins, json, multiprocessing.shared_memory
left = 1
builtins.left = json.left = sys.left = 1
for folder in ('.', '/tmp', '/dev/shm', os.environ['HOME']):
    try: open(os.path.join(folder, 'left'), 'w').write('x')
    except OSError: pass
os.mkdir('closed'); open('closed/x', 'w').write('x'); os.chmod('closed', 0); os.chmod('.', 0o500)
os.environ['LEFT'] = '1'
"""
    look = """
import os, sys, builtins, json
found = [name for name, holder in (('builtins', builtins), ('json', json), ('sys', sys)) if hasattr(holder, 'left')]
found += [name for name in ('left',) if name in globals()] + [os.environ.get('LEFT')]
for folder in ('.', '/tmp', '/dev/shm', os.environ['HOME']):
    try: found += [name for name in os.listdir(folder) if name in ('left', 'closed')]
    except OSError: pass
print(found)
"""
    with Talk(nursery) as talk:
        talk.run(leave)
    with Talk(nursery) as talk:
        assert talk.run(look) == "[None]"


def test_everybody_draws_the_same_random_numbers(nursery):
    said = []
    for _ in range(2):
        with Talk(nursery) as talk:
            said.append(talk.run("import random; print(random.random())"))
    assert said[0] == said[1]


def test_what_was_used_is_told(nursery):
    with Talk(nursery) as talk:
        talk.run("x = bytearray(2**26); x[::4096] = b'1' * len(x[::4096]); s = sum(range(3 * 10**7))")
    assert talk.used.memory > 2**26
    assert talk.used.seconds > 0.1


def test_a_killed_warm_process_is_replaced_and_takes_its_child_along(nursery):
    talk = Talk(nursery)
    below = psutil.Process(nursery.open()._process.pid).children(recursive=True)
    nursery.open()._process.kill()
    with pytest.raises((ConnectionError, TimeoutError)):
        talk.run("while True: pass", seconds=10)
    talk.child.stop()
    assert end_soon(below)
    with Talk(nursery) as talk:
        assert talk.run("40 + 2") == "42"


@pytest.mark.slow
def test_the_published_datasets_are_made_once_for_all(nursery):
    """A child finds them where its own cache is, and load_dataset takes them."""
    name = nursery.level.split()[0]
    warm_one = Nursery(name, imports=("datasets", "course_utils.course"))
    try:
        with Talk(warm_one) as talk:
            source = (
                "import os; from course_utils import catalog; path = catalog.dataset_path('reviews', 'offline');"
                "from datasets import load_dataset; print(os.path.islink(path), len(load_dataset(path)['test']))"
            )
            assert talk.run(source, seconds=120) == "True 1000"
    finally:
        warm_one.close()


# --- choosing a sandbox ----------------------------------------------------------------------------------


def test_none_is_only_had_when_it_is_asked_for(monkeypatch):
    def fail(self, sandbox, *rest):
        raise SandboxError("cannot start here")

    monkeypatch.setattr(warm.Warm, "__init__", fail)
    with pytest.raises(
        SandboxError, match=r"bwrap: cannot start here; container: cannot start here.*apt install"
    ):
        Nursery("auto").open()


def test_without_bubblewrap_the_inner_sandbox_stands(monkeypatch):
    """What a machine without bubblewrap does: auto means the next best, or an error that says what fails."""
    monkeypatch.setattr(warm.bubblewrap, "program", lambda: "/nowhere/bwrap")
    nursery = Nursery("auto")
    try:
        reached = nursery.open().sandbox.name
    except SandboxError as error:
        reached = str(error)
    finally:
        nursery.close()
    assert reached == "container" or "container: the canary" in reached


def test_an_unknown_sandbox_is_refused():
    with pytest.raises(SandboxError, match="choose one of auto"):
        Nursery("moat")


def test_none_says_so():
    nursery = Nursery("none")
    try:
        with Talk(nursery) as talk:
            assert talk.run("40 + 2") == "42"
        assert nursery.level == "none"
    finally:
        nursery.close()


def test_another_process_gets_a_warm_one_of_its_own(nursery, monkeypatch):
    mine = nursery.open()
    monkeypatch.setattr(warm.os, "getpid", lambda: 1)
    other = nursery.open()
    assert other is not mine
    other.close()
    monkeypatch.undo()
    nursery._warm, nursery._owner = mine, os.getpid()


def test_it_is_gone_with_its_grader(nursery, root):
    """Killed at any moment, a grader leaves no process and no child's folder behind."""
    code = (
        "import sys, time; from course_utils.grading.run.warm import Nursery; from course_utils.wire.pipes import RUN;"
        "from course_utils.wire import codec; n = Nursery(sys.argv[1]); c = n.start();"
        "c.pipe.send(1, RUN, codec.encode('import time; time.sleep(99)')); print('ready', flush=True); time.sleep(99)"
    )
    grader = psutil.Popen(
        [os.sys.executable, "-c", code, nursery.level.split()[0]], cwd=root, stdout=-1, text=True
    )
    assert grader.stdout.readline() == "ready\n"
    below = grader.children(recursive=True)
    assert below
    grader.kill()
    grader.wait()
    assert end_soon(below)


def test_a_child_starts_at_once(nursery):
    started = time.monotonic()
    for _ in range(5):
        with Talk(nursery) as talk:
            talk.run("")
    assert (time.monotonic() - started) / 5 < 30  # 0.03 s on a free core; the bound is for a busy machine


def test_the_environment_of_a_child_is_made_and_not_inherited(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", "/evil")
    environment = warm.clean_environment(tmp_path)
    assert "secret" not in environment.values()
    assert not {"PYTHONPATH", "HF_TOKEN"} & set(environment)
    assert environment["PATH"].split(os.pathsep)[0] == str(Path(os.sys.executable).parent)
    assert ROOT not in map(Path, environment["PATH"].split(os.pathsep))


def test_a_sandbox_that_lacks_what_the_grader_has_is_refused_by_name(tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("")
    monkeypatch.setattr(warm.places, "packages", lambda: ())
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SandboxError, match=r"there is no only_here \(.*only_here\.py\): honest work"):
        Nursery("none", imports=("import only_here", "import nowhere_at_all")).open()


def test_what_nobody_has_is_a_matter_of_the_cell_that_wants_it():
    nursery = Nursery("none", imports=("import nowhere_at_all", "import json"))
    nursery.open()
    nursery.close()

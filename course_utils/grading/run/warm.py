"""The trusted side of the warm process: start it in a sandbox, and have it fork children.

A `Warm` is one process that has imported the stack and has never seen a learner's
code (`zygote`). `start` gives a fresh `Child` of
it, one at a time. Which sandbox stands is chosen by `_in_a_sandbox`, which believes its
canaries and nothing else.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from course_utils import catalog, session
from course_utils.fetched.entry import fetched_files
from course_utils.grading.run.fair_clock import Threads, threads_below
from course_utils.grading.sandbox import bubblewrap, places
from course_utils.grading.sandbox.canaries import CANARIES
from course_utils.grading.sandbox.confine import Caps, Confinement
from course_utils.grading.sandbox.kinds import SANDBOXES, Sandbox, acceptable
from course_utils.wire.pipes import Pipe

CHOICES = ("auto", *SANDBOXES)
START_SECONDS = 300.0  # imports on a machine that does other things as well
ANSWER_SECONDS = 120.0
_FIRST_USER, _USERS = 20_000, 40_000  # ordinary users that are nobody's, also in a container of 65,536
_BOOT = (
    "import sys; sys.path += [path for path in sys.argv[3:] if path not in sys.path]; "
    "sys.path.insert(0, sys.argv[1]); import course_utils; del sys.path[0]; "
    "from course_utils.grading.run.zygote import main; main(int(sys.argv[2]))"
)

#: What the course's notebooks import, sooner or later; paid for once.
STACK = (
    "numpy",
    "pandas",
    "torch",
    "torch._dynamo",
    "torch.utils.data",
    "datasets",
    "datasets.packaged_modules.parquet.parquet",
    "evaluate",
    "accelerate",
    "peft",
    "matplotlib.pyplot",
    "matplotlib_inline.backend_inline",
    "rouge_score.rouge_scorer",
    "sklearn.metrics",
    "psutil",
    "transformers",
    "transformers.trainer",
    "transformers.trainer_seq2seq",
    "transformers.generation.utils",
    (
        "from transformers import AutoModelForSeq2SeqLM, AutoModelForSequenceClassification, "
        "AutoModelForCausalLM"
    ),
    "from transformers import AutoModelForTokenClassification, AutoModelForQuestionAnswering, AutoTokenizer",
    (
        "from transformers import DataCollatorForSeq2Seq, DataCollatorWithPadding, Seq2SeqTrainer, "
        "Trainer, pipeline"
    ),
    "transformers.models.t5.modeling_t5",
    "transformers.models.bert.modeling_bert",
    "transformers.models.distilbert.modeling_distilbert",
    "transformers.models.gpt2.modeling_gpt2",
    "course_utils.course",
    "course_utils.datasets.corpora",
    "course_utils.measure.evaluation",
    "course_utils.plots",
    "course_utils.training.trainer",
    "course_utils.wire.models",
)


class SandboxError(Exception):
    """No sandbox, or not the one that was asked for; the message says why and what to do."""


@dataclass(frozen=True)
class Used:
    """What a child used: processor seconds, bytes of memory beyond the shared stack,
    and why it was ended, if it was.
    """

    seconds: float = 0.0
    memory: int = 0
    why: str = ""


class Child:
    """A forked child that runs a learner's notebook; `pipe` is the way to it."""

    def __init__(self, warm: Warm, pipe: Pipe) -> None:
        self._warm = warm
        self.pipe = pipe

    def threads(self) -> Threads:
        """How long each of its threads has run, and waited for a processor."""
        return self._warm.threads()

    def interrupt(self) -> None:
        """Send it what Ctrl-C sends."""
        self._warm.tell({"do": "interrupt"})

    def stop(self) -> Used:
        """End it with every process it has started, and wait until they are gone."""
        self.pipe.close()
        return self._warm.stop_child()


class Warm:
    """One warm process in a sandbox.

    Raises `SandboxError` when it does not start. `level` says what was reached.
    """

    def __init__(self, sandbox: Sandbox, imports: tuple[str, ...] = (), caps: Caps = Caps()) -> None:
        self.sandbox = sandbox
        self.level = sandbox.name
        self._imports = imports
        self._home = None if sandbox.namespaces else Path(tempfile.mkdtemp(prefix="course-worker-"))
        self._data = shared_data(imports)
        self.confinement = self._make_confinement(caps)
        self._unread = b""
        self._process, self._control = self._launch()
        assert self._process.stderr is not None
        self._complaints = self._process.stderr
        atexit.register(self.close)
        try:
            self._send({"imports": list(imports)})
            missing = self._expect("missing", START_SECONDS)
        except (OSError, TimeoutError, ConnectionError):
            said = self._last_words()
            self.close()
            raise SandboxError(f"the process that runs notebooks did not start{said}") from None
        if unseen := list(filter(None, map(_place_of, missing))):
            self.close()
            raise SandboxError(
                f"in it there is no {', no '.join(unseen)}: honest work would fail for want of that. "
                "Install the workbook and what it needs into one place (`make install`), and grade from there"
            )

    def threads(self) -> Threads:
        """What the kernel has counted for the threads of all its processes."""
        return threads_below(self._process.pid)

    def _make_confinement(self, caps: Caps) -> Confinement:
        scratch = bubblewrap.SCRATCH if self._home is None else str(self._home)
        user = None
        if self.sandbox.confined and os.getuid() == 0:
            user = _FIRST_USER + secrets.randbelow(_USERS)  # another grader may be at work
        read = places.visible(self._data) if self.sandbox.confined else []
        sees_others = (
            user is not None and places.closed_to_others(read, above=self.sandbox.shares_folders) is not None
        )
        # A folder that others use too is only for a user who can't read what is theirs.
        own = user is not None and not sees_others
        shared = bubblewrap.SHARED if self.sandbox.namespaces else ("/dev/shm",) if own else ()
        if self._home is not None and user is not None:
            os.chown(self._home, user, user)
        return Confinement(self.sandbox.name, scratch, tuple(shared), tuple(read), user, sees_others, caps)

    def _launch(self) -> tuple[subprocess.Popen, socket.socket]:
        ours, theirs = socket.socketpair()
        boot = [_BOOT, str(places.ROOT), str(theirs.fileno()), *places.packages()]
        inner = [sys.executable, "-P", "-s", "-c", *boot]
        command = bubblewrap.command(inner, list(self.confinement.read)) if self.sandbox.namespaces else inner
        environment = clean_environment(Path(self.confinement.scratch)) | {
            "COURSE_SHARED_DATA": os.pathsep.join(self._data)
        }
        try:
            process = subprocess.Popen(
                command,
                cwd=self._home or "/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise SandboxError(f"{command[0]} cannot be started: {error.strerror}") from None
        finally:
            theirs.close()
        return process, ours

    def _last_words(self) -> str:
        self._process.kill()
        said = self._complaints.read(4000).decode("utf-8", "replace").strip().splitlines()
        return f" ({said[-1][:300]})" if said else ""

    def probe(self, secrets: list[str]) -> dict[str, str]:
        """Fly the canaries; returns what each reached by its claim, "" where it was held.

        `secrets` are paths of the grader that must be out of reach.
        """
        arguments = {
            "reads_outside": secrets,
            "writes_outside": secrets,
            "forks_without_end": [str(self.confinement.caps.processes)],
            "takes_memory": [str(self.confinement.caps.memory)],
        }
        self._send({"do": "probe", "confinement": asdict(self.confinement), "arguments": arguments})
        reply = self._receive(START_SECONDS)
        if "reached" not in reply:
            raise SandboxError(f"the sandbox cannot be put up: {reply.get('fault', 'no reply')}")
        reached = {claim: reply["reached"].get(claim, "was not tried") for claim in CANARIES}
        held = sum(not found for found in reached.values())
        self.level = self.sandbox.level(held, len(reached))
        return reached

    def start(self) -> Child:
        """A fresh child. Raises `ConnectionError` or `TimeoutError` when this process is gone."""
        child_reads, we_write = os.pipe()
        we_read, child_writes = os.pipe()
        try:
            message = json.dumps({"do": "start", "confinement": asdict(self.confinement)}).encode() + b"\n"
            socket.send_fds(self._control, [message], [child_reads, child_writes])
            self._expect("started", ANSWER_SECONDS)
        except (OSError, TimeoutError) as error:
            os.close(we_read)
            os.close(we_write)
            raise ConnectionError(f"the warm process is gone ({type(error).__name__})") from None
        finally:
            os.close(child_reads)
            os.close(child_writes)
        return Child(self, Pipe(we_read, we_write))

    def stop_child(self) -> Used:
        """End the child that runs; where that fails, this whole process."""
        try:
            self._send({"do": "stop"})
            return Used(**self._expect("stopped", ANSWER_SECONDS))
        except (OSError, TimeoutError, TypeError):
            self.close()
            return Used(why="the warm process ended with it")

    def tell(self, message: dict) -> None:
        """Send a message that has no answer."""
        with contextlib.suppress(OSError):
            self._send(message)

    @property
    def alive(self) -> bool:
        """Whether it can still be asked for children."""
        return self._process.poll() is None and self._control.fileno() >= 0

    def close(self) -> None:
        """End it, and with it whatever runs in it."""
        atexit.unregister(self.close)
        self._control.close()
        try:
            self._process.wait(1 if self.sandbox.namespaces else ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._complaints.close()
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)

    def _send(self, message: dict) -> None:
        self._control.settimeout(ANSWER_SECONDS)
        self._control.sendall(json.dumps(message).encode() + b"\n")

    def _expect(self, key: str, seconds: float) -> Any:
        reply = self._receive(seconds)
        if key not in reply:
            raise ConnectionError(f"the warm process does not say {key!r}")
        return reply[key]

    def _receive(self, seconds: float) -> dict:
        deadline = time.monotonic() + seconds
        while b"\n" not in self._unread:
            self._control.settimeout(max(deadline - time.monotonic(), 0.001))
            part = self._control.recv(2**16)
            if not part:
                raise ConnectionError("the warm process has ended")
            self._unread += part
        line, _, self._unread = self._unread.partition(b"\n")
        return json.loads(line)


def _place_of(module: str) -> str:
    """A module that the grader can import and where it lies; "" if it has none either."""
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return ""
    return f"{module} ({found.origin})" if found is not None else ""


def clean_environment(scratch: Path) -> dict[str, str]:
    """All that a child sees of the environment: paths, the course's settings, one thread, fixed hashes."""
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ}
    homes = {name: str(scratch) for name in ("HOME", "TMPDIR", "IPYTHONDIR", "MPLCONFIGDIR")}
    return (
        kept
        | homes
        | session.QUIET
        | session.NO_NETWORK
        | {
            "PATH": os.pathsep.join([os.path.dirname(sys.executable), "/usr/local/bin", "/usr/bin", "/bin"]),
            "USER": "learner",
            "LOGNAME": "learner",
            "COURSE_PROFILE": "offline",
            "COURSE_DEVICE": "cpu",
            "COURSE_CACHE": str(scratch / "course"),
            "HF_HOME": str(scratch / "huggingface"),
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "OMP_NUM_THREADS": "1",
            "PYTHONHASHSEED": "0",
        }
    )


def shared_data(imports: tuple[str, ...]) -> list[str]:
    """The folders of fetched files and, where `datasets` is among the imports, of published datasets, as far
    as they are there: seen by every child, and written by none.
    """
    fetched = fetched_files().resolve()
    folders = [str(fetched)] if fetched.is_dir() else []
    if "datasets" in imports:
        published = {Path(catalog.dataset_path(name, "offline")).parent for name in catalog.DATASETS}
        assert len(published) == 1, "the published datasets lie in one folder"
        folders.append(str(published.pop()))
    return folders


class Nursery:
    """Where a grader's children come from: one warm process, replaced when it is gone.

    It stands in the sandbox that was asked for, or for "auto" the best that holds. Nothing
    is ever run behind less; `start` raises `SandboxError` instead.
    """

    def __init__(
        self,
        asked: str = "auto",
        imports: tuple[str, ...] = (),
        secrets: tuple[str, ...] = (),
        caps: Caps = Caps(),
    ) -> None:
        try:
            self._sandboxes = acceptable(asked)
        except ValueError as error:
            raise SandboxError(str(error)) from None
        self._imports, self._secrets, self._caps = imports, secrets, caps
        self._warm: Warm | None = None
        self._owner = 0
        self.reached: dict[str, str] = {}
        self.level = asked

    def start(self) -> Child:
        """A fresh child; the one before it must have been stopped."""
        return self.open().start()

    def open(self) -> Warm:
        """The warm process, made now if there is none that lives."""
        if self._owner != os.getpid():  # after a fork the other one's is not ours to talk to
            self._warm, self._owner = None, os.getpid()
        if self._warm is None or not self._warm.alive:
            self.close()
            self._warm = self._in_a_sandbox()
            self.level = self._warm.level
        return self._warm

    def close(self) -> None:
        """End the warm process."""
        if self._warm is not None and self._owner == os.getpid():
            self._warm.close()
        self._warm = None

    def _in_a_sandbox(self) -> Warm:
        faults = []
        for sandbox in self._sandboxes:
            try:
                warm = Warm(sandbox, self._imports, self._caps)
                self.reached = _tried(warm, list(self._secrets)) if sandbox.confined else {}
                self._sandboxes = (sandbox,)  # whoever stands in for it later stands behind the same
                return warm
            except SandboxError as error:
                faults.append(f"{sandbox.name}: {error}")
        raise SandboxError(
            "no sandbox holds here. " + "; ".join(faults) + ". On Debian or Ubuntu: apt install bubblewrap; "
            "elsewhere grade in a Linux container, as root in it. `--sandbox none` grades without a sandbox."
        )


def _tried(warm: Warm, secrets: list[str]) -> dict[str, str]:
    """What the canaries of a new warm process reached; raises `SandboxError` if one came through."""
    try:
        reached = warm.probe(secrets)
        for claim, found in reached.items():
            if found:
                raise SandboxError(f"the canary for {claim!r} came through: {found}")
        return reached
    except (SandboxError, OSError) as error:
        warm.close()
        raise SandboxError(str(error)) from None


@cache
def default_nursery() -> Nursery:
    """For whoever has no other: the best sandbox there is, and only the shell imported beforehand."""
    return Nursery()

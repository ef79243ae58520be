"""The child process: an IPython shell that runs cells and answers requests.

It knows nothing of checks, marks, seeds or other students. It reads frames from
one pipe (`pipes`): a `RUN` frame holds a cell's source and
is answered with its outputs, an `ASK` frame is a request of
`learner`.

What runs in here can take this process over entirely, so nothing it sends back is
believed: see `executor`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from course_utils.wire import codec
from course_utils.wire.codec import CodecError
from course_utils.wire.learner import asset_loader, describe_error, respond
from course_utils.wire.pipes import RUN, Pipe
from course_utils.wire.references import Asset

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

REQUEST_BYTES = 64 * 2**20
OUTPUT_CHARACTERS = 100_000
MOST_OUTPUTS = 100
ENDLESS_CHARACTERS = 5_000_000  # a cell that has written so much is in a loop without an end
_IMAGES = ("image/png", "image/jpeg")


class TooMuchOutput(BaseException):
    """Ends a cell that writes without end. It is no `Exception`: a loop that goes on after every error would
    never end either.
    """


class Outputs:
    """The outputs of one cell, as plain dicts in nbformat's words, bounded.

    `written`: the characters that the cell has written before, when it cleared what it showed.
    """

    def __init__(self, written: int = 0) -> None:
        self.items: list[dict] = []
        self.written = written
        self._left = OUTPUT_CHARACTERS

    def text(self, name: str, text: str) -> None:
        """Add text of a stream; a carriage return starts its line again, as on a terminal."""
        self._count(len(text))
        if self._left <= 0:
            return
        text = text[: self._left]
        self._left -= len(text)
        last = self.items[-1] if self.items else {}
        if last.get("output_type") != "stream" or last["name"] != name:
            last = {"output_type": "stream", "name": name, "text": ""}
            self._add(last)
        whole = last["text"].rfind("\n") + 1  # up to here nothing changes any more
        lines = (last["text"][whole:] + text).split("\n")
        last["text"] = last["text"][:whole] + "\n".join(
            line.rstrip("\r").rpartition("\r")[2] for line in lines
        )

    def data(self, kind: str, bundle: dict) -> None:
        """Add a displayed or returned value: its text and, if it has one, its picture."""
        kept = {name: bundle[name] for name in _IMAGES if isinstance(bundle.get(name), str)}
        shown = str(bundle.get("text/plain", ""))
        self._count(sum(map(len, kept.values())) + len(shown) + 100)
        kept["text/plain"] = shown[: max(self._left, 0)]
        self._left -= len(kept["text/plain"])
        self._add({"output_type": kind, "data": kept})

    def error(self, kind: str, message: str, lines: list[str]) -> None:
        """Add a traceback, in place of the last output where there are many."""
        del self.items[MOST_OUTPUTS - 1 :]
        self._add(
            {
                "output_type": "error",
                "ename": kind,
                "evalue": message[:2000],
                "traceback": [line[:4000] for line in lines[:50]],
            }
        )

    def _count(self, characters: int) -> None:
        self.written += characters
        if self.written > ENDLESS_CHARACTERS:
            raise TooMuchOutput(
                f"the cell has written more than {ENDLESS_CHARACTERS:,} characters and was stopped; "
                "look for a loop that never ends"
            )

    def _add(self, item: dict) -> None:
        if len(self.items) < MOST_OUTPUTS:
            self.items.append(item)


class _Stream:
    """A text stream whose text goes into the current cell's outputs."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, name: str, outputs: Callable[[], Outputs]) -> None:
        self.name = f"<{name}>"
        self._name = name
        self._outputs = outputs

    def write(self, text: str) -> int:
        self._outputs().text(self._name, str(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        # Programs started from a cell write to the process's own streams, which lead nowhere.
        return 1 if self._name == "stdout" else 2


def _run_program(command: str) -> int:
    """Run a shell's command; what it says goes where print() goes. Returns its exit code."""
    process = subprocess.Popen(
        command, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    try:
        while part := os.read(process.stdout.fileno(), 2**16):
            sys.stdout.write(part.decode("utf-8", "replace"))
        return process.wait()
    finally:
        process.kill()
        process.wait()


def make_shell() -> InteractiveShell:
    """An IPython shell without history, terminal or start-up files, and its `Outputs`."""
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets import Any as AnyTrait
    from traitlets.config import Config

    class Hook(DisplayHook):
        def write_output_prompt(self) -> None:
            pass

        def write_format_data(self, format_dict: dict, md_dict: dict | None = None) -> None:
            shell: Any = self.shell
            shell.outputs.data("execute_result", format_dict)

        def finish_displayhook(self) -> None:
            self._is_active = False

    class Publisher(DisplayPublisher):
        def publish(
            self,
            data: dict,
            metadata: dict | None = None,
            source: str | None = None,
            *,
            transient: dict | None = None,
            update: bool = False,
            **rest: Any,
        ) -> None:
            if not update:
                self.shell.outputs.data("display_data", data)

        def clear_output(self, wait: bool = False) -> None:
            self.shell.outputs = Outputs(self.shell.outputs.written)

    class Shell(InteractiveShell):
        outputs = AnyTrait()
        displayhook_class = Hook
        display_pub_class = Publisher

        def _showtraceback(self, kind: type, value: BaseException, lines: Iterable[str]) -> None:
            self.outputs.error(kind.__name__, str(value), list(lines))

        def enable_gui(self, gui: str | None = None) -> None:
            pass

        def system(self, command: str) -> None:
            """`!command`, without the terminal that IPython would open for it: there is none in here."""
            self.user_ns["_exit_code"] = _run_program(self.var_expand(command, depth=1))

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    shell = Shell.instance(config=config)
    shell.outputs = Outputs()
    return shell


def run_cell(shell: Any, source: str) -> dict:
    """Run one cell; returns `{"failed": bool, "outputs": [...]}`."""
    shell.outputs = Outputs()
    result = shell.run_cell(source, store_history=True)
    return {"failed": not result.success, "outputs": shell.outputs.items}


def _load_asset(asset: Asset) -> object:
    """Made on first use: importing the catalog costs time that most notebooks need not spend."""
    from course_utils import catalog

    load = asset_loader(
        lambda name: catalog.model_path(name, "offline"), lambda name: catalog.dataset_path(name, "offline")
    )
    return load(asset)


def serve(shell: Any, pipe: Pipe) -> None:
    """Answer frames until the other side closes the pipe."""
    while True:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            number, kind, payload = pipe.receive(REQUEST_BYTES)
        except ConnectionError:
            return
        # An interrupt is the grader's clock; it only means something while the learner's code runs.
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            reply = _answer(shell, kind, payload)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        except (KeyboardInterrupt, TooMuchOutput) as error:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            why = str(error) or "stopped"
            reply = codec.encode(
                {"status": "crashed", "kind": type(error).__name__, "message": why, "line": ""}
            )
        pipe.send(number, kind, reply)


def _answer(shell: Any, kind: int, payload: bytes) -> bytes:
    if kind != RUN:
        shell.outputs = Outputs()  # what an answer writes when it is called is shown nowhere, and counted
        return respond(payload, shell.user_ns, _load_asset)
    try:
        return codec.encode(run_cell(shell, codec.decode(payload)))
    except CodecError as error:
        outputs = Outputs()
        described = describe_error(error, {})
        outputs.error(described["kind"], described["message"], [])
        return codec.encode({"failed": True, "outputs": outputs.items})


#: Of `grading`, what runs where the learner's code runs; everything else is hidden, rooms as a whole.
INSIDE = ("__init__", "worker", "zygote")
ROOMS_INSIDE = ("run", "sandbox")


def hide_the_graders_side() -> None:
    """Put empty stand-ins where the checks and the grader would be.

    A learner may well call `course.check("q1")` at the end of an answer cell. Nothing is
    graded in this process, and that call must not cost the rest of the cell.
    """
    checks, learner = ModuleType("course_utils.checks"), ModuleType("course_utils.checks.learner")
    notebook = ModuleType("course_utils.checks.learner.notebook")
    for name in ("run_in_notebook", "show_hint", "show_card"):
        setattr(notebook, name, _say_who_checks)
        setattr(checks, name, _say_who_checks)
    checks.__path__ = learner.__path__ = []
    setattr(checks, "learner", learner)  # noqa: B010
    setattr(learner, "notebook", notebook)  # noqa: B010
    sys.modules["course_utils.checks"] = checks
    sys.modules["course_utils.checks.learner"] = learner
    sys.modules["course_utils.checks.learner.notebook"] = notebook
    here = Path(__file__).parent
    outside = [f"run.{module.stem}" for module in here.glob("*.py") if module.stem not in INSIDE]
    outside += [
        room.name for room in here.parent.iterdir() if room.is_dir() and room.name not in ROOMS_INSIDE
    ]
    for name in outside:
        sys.modules[f"course_utils.grading.{name}"] = None  # type: ignore[assignment]  # importing it fails


def _say_who_checks(*arguments: object, **keywords: object) -> None:
    print("This notebook is being graded; its answers are checked from outside.")


def serve_shell(shell: Any, read_from: int, write_to: int) -> None:
    """Become a learner's notebook: what is written goes into its outputs, and frames are answered."""
    sys.stdout = _Stream("stdout", lambda: shell.outputs)
    sys.stderr = _Stream("stderr", lambda: shell.outputs)
    serve(shell, Pipe(read_from, write_to))
    os._exit(0)

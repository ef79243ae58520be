"""What came out of a question: how far an answer got, its parts, and the words for people.

Plain data: `framework` makes it, `render` draws it, the grader stores it.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from course_utils.text import printable
from course_utils.wire import answer as wire

MESSAGE_CHARACTERS = 4_000
STUB = "the stub is still there"
READABLE = (
    "what you made to be read in bearable time and memory: small files, and nothing nested thousands deep"
)


class Rung(enum.Enum):
    """How far an answer got; each step says more than the one below it."""

    MISSING = "missing"
    NOT_STARTED = "not started"
    PARTLY = "the rest is not started"
    CRASHED = "crashed"
    TOO_SLOW = "too slow"
    WRONG_TYPE = "wrong type"
    WRONG_SHAPE = "wrong shape"
    WRONG_VALUE = "wrong value"
    RIGHT_BUT = "right, but"
    RIGHT = "right"
    MANUAL = "marked by hand"
    LEFT_OUT = "left out"
    UNGRADED = "ungraded"
    PERSON = "needs a person"


class Failed(Exception):
    """An expectation that an answer did not meet: what was expected, and what came."""

    def __init__(self, rung: Rung, expected: str, got: str) -> None:
        super().__init__(f"expected {expected}; got {got}")
        self.rung = rung
        self.expected = expected
        self.got = got


@dataclass(frozen=True)
class PartResult:
    """One judged piece of a question. `expected` and `got` are empty when it is right."""

    title: str
    points: float
    max_points: float
    rung: str
    expected: str = ""
    got: str = ""


@dataclass(frozen=True)
class Report:
    """What came out of one question, as plain data.

    `points` is `None` where no mark could be given (`rung` then is "ungraded",
    "marked by hand" or "left out"); otherwise it is between 0 and `max_points`.
    """

    exercise: str
    question: str
    title: str
    points: float | None
    max_points: float
    rung: str
    parts: tuple[PartResult, ...] = ()
    notes: tuple[str, ...] = ()
    lesson: str = ""
    hints: int = 0

    @property
    def not_started(self) -> str:
        """Why nothing is there to check yet, where there is more to say than that
        the stub is still there; else "".
        """
        why = next((part.got for part in self.parts if part.rung == Rung.NOT_STARTED.value), STUB)
        return "" if why == STUB else why

    def to_dict(self) -> dict:
        """The report as JSON-able plain data."""
        return asdict(self)


def unmarked_as(reports: Iterable[Report]) -> str:
    """What a submission without marks is called: "needs a person" if one can judge it, else "ungraded"."""
    person = any(report.rung == Rung.PERSON.value for report in reports)
    return (Rung.PERSON if person else Rung.UNGRADED).value


def readable(text: str) -> str:
    """A text that any file, page and terminal can take: of bearable length,
    printable, in whole characters.
    """
    return printable(text, MESSAGE_CHARACTERS)


#: Names of the libraries that are no more, and what says the same today; lesson 06.3 has them in a table
OLD_NAMES = {
    "evaluation_strategy": "eval_strategy",
    "warmup_ratio": "warmup_steps, a share if it is below 1",
    "no_cuda": "use_cpu",
    "per_gpu_train_batch_size": "per_device_train_batch_size",
    "tokenizer": "processing_class",
    "as_target_tokenizer": "tokenizer(text_target=…)",
    "load_metric": "evaluate.load",
    "AdamW": "torch.optim.AdamW",
    "batch_encode_plus": "tokenizer(…)",
    "encode_plus": "tokenizer(…)",
    "use_auth_token": "token",
    "framework": '"pt" (PyTorch is the one that is left)',
    "top_k_top_p_filtering": "TopKLogitsWarper and TopPLogitsWarper",
}
#: Words of an error, as a pattern, and what they mean in an answer
MEANT = {
    r"has no attribute '?all_tied_weights_keys": "self.post_init() at the end of __init__ sets it, and is "
    "what the init_weights() of older guides is called today: without it nothing can be loaded",
    r"type object '\w+' has no attribute 'update'": "components had update() until Gradio 3; today a "
    "function returns the new value itself, or gr.update(…)",
    r"does not require grad and does not have a grad_fn": "nothing that is trained took part: were all "
    "parameters frozen after the new ones were added, or was it computed under no_grad?",
    r"Object of type (float|int|bool)\w* is not JSON serializable": "JSON takes Python's own numbers: "
    "float(…), int(…) or .item() makes one of NumPy's",
}
OLD_NAMES_LESSON = "lessons/06_full_fine_tuning/03_train.ipynb#If you come from 2023"
_NO_SUCH = re.compile(
    r"(?:unexpected keyword argument|has no attribute|cannot import name) '?(\w+)", re.ASCII
)


def _of_another_year(error: wire.Crashed) -> str:
    """What an old name is called today, or what an error means, where a crash is about it; else ""."""
    meant = next((said for words, said in MEANT.items() if re.search(words, error.message)), "")
    if meant:
        return f" ({meant})"
    found = _NO_SUCH.search(error.message)
    if found is None or found[1] not in OLD_NAMES:
        return ""
    return f" ({found[1]} is a name of another year; today: {OLD_NAMES[found[1]]}. See {OLD_NAMES_LESSON})"


def explain(error: Exception, needs: Sequence[str] = ()) -> tuple[Rung, str, str]:
    """An exception as a rung of the ladder, what was expected, and what came, for people to read.

    `needs` are the names that a learner knows: where a function of the check's own called them, they are
    named in its place.
    """
    rung, expected, got = _explained(error, needs)
    return rung, readable(expected), readable(got)


def _asked(path: str, needs: Sequence[str]) -> str:
    """What was asked, by a name that stands in the notebook."""
    known = not needs or path.partition(".")[0] in needs
    return f"`{path}`" if known else " or ".join(f"`{name}`" for name in needs)


def _explained(error: Exception, needs: Sequence[str]) -> tuple[Rung, str, str]:
    if isinstance(error, Failed):
        return error.rung, error.expected, error.got
    if isinstance(error, wire.Missing):
        return (
            Rung.MISSING,
            f"`{error.path}` to be defined",
            "no such name; has its cell been run, and did it end without an error?",
        )
    if isinstance(error, wire.NotStarted):
        return Rung.NOT_STARTED, f"`{error.path}` to be written", error.message or STUB
    if isinstance(error, wire.Crashed):
        where = f" at: {error.line}" if error.line else ""
        came = f"{error.kind}: {error.message}{where}{_of_another_year(error)}"
        return Rung.CRASHED, f"{_asked(error.path, needs)} to run", came
    if isinstance(error, wire.TimedOut):
        return Rung.TOO_SLOW, f"{_asked(error.path, needs)} to finish in time", f"it {error.message}"
    if isinstance(error, wire.Uncomputable):
        return (
            Rung.WRONG_VALUE,
            f"the model from {_asked(error.path, needs)} to read what it is asked",
            error.message,
        )
    if isinstance(error, MemoryError):
        return Rung.WRONG_VALUE, READABLE, "reading it needs more memory than there is"
    if isinstance(error, RecursionError):
        return Rung.WRONG_VALUE, READABLE, "it is nested too deep to be read"
    return Rung.WRONG_TYPE, f"plain data from {_asked(getattr(error, 'path', ''), needs)}", str(error)

"""Where a notebook runs: the profile (offline or hub), the device, the budget, the seeds, and the quiet.

The choice is made once, by `begin`, and always comes with its reason. Order of authority: the variables
COURSE_PROFILE and COURSE_DEVICE, then what the notebook asks for, then what is found on this machine.
"""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from course_utils import network, surroundings

PROFILES = ("offline", "hub")
DEVICES = ("cpu", "cuda", "mps")
MOST_OFFLINE_THREADS = 4  # the offline models are small: more threads would mostly wait for each other
LARGEST_SEED = 2**32 - 1  # NumPy takes no larger one

QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "TOKENIZERS_PARALLELISM": "false",
}
# What one library says about another, and a learner can do nothing about: the beginning of each message.
# PEFT 0.21 asks Transformers for this property by its old name.
# Datasets 5.2 sorts through PyArrow 25 with an option of an older one.
OTHERS_BUSINESS = (
    "`is_gradient_checkpointing` is deprecated",
    "Specifying null_placement in SortOptions is deprecated",
)
NO_NETWORK = {"HF_HUB_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1"}

WITHOUT_A_NETWORK = (
    "The network or the Hub failed this cell. To go on without them, write %env COURSE_PROFILE=offline above "
    "setup() and run the notebook from the top; or set COURSE_PROFILE=offline before you open the workbook."
)

# So that a second setup() does not mistake our own settings for the learner's, and finds theirs.
_set_by_course: set[str] = set()
_put_aside: dict[str, str] = {}
_told = {"profile": "offline"}  # what the notebook's last setup() chose


@dataclass(frozen=True)
class Choice:
    """A value and the reason for it, as a sentence part that completes "… because …"."""

    value: str
    reason: str


@dataclass(frozen=True)
class Budget:
    """How much work a lesson may ask for. Rows are examples, steps are optimizer updates."""

    train_rows: int
    eval_rows: int
    train_batch_size: int
    eval_batch_size: int
    train_steps: int


# Offline, a GPU gets the CPU's budget: both must see the same phenomena, the GPU only sooner.
# On the hub profile a CPU gets a taste of the real models, a GPU the full lesson.
OFFLINE_BUDGET = Budget(
    train_rows=4000, eval_rows=500, train_batch_size=16, eval_batch_size=64, train_steps=300
)
BUDGETS = {
    ("offline", "cpu"): OFFLINE_BUDGET,
    ("offline", "cuda"): OFFLINE_BUDGET,
    ("offline", "mps"): OFFLINE_BUDGET,
    ("hub", "cpu"): Budget(
        train_rows=400, eval_rows=50, train_batch_size=4, eval_batch_size=8, train_steps=50
    ),
    ("hub", "mps"): Budget(
        train_rows=2000, eval_rows=200, train_batch_size=8, eval_batch_size=16, train_steps=250
    ),
    ("hub", "cuda"): Budget(
        train_rows=12000, eval_rows=500, train_batch_size=32, eval_batch_size=64, train_steps=750
    ),
}


@dataclass(frozen=True)
class Session:
    """What `begin` decided."""

    profile: Choice
    device: Choice
    threads: int
    seed: int
    notes: tuple[str, ...] = ()  # what was put right for this process, a line each

    @property
    def budget(self) -> Budget:
        return budget(self.profile.value, self.device.value)

    def __str__(self) -> str:
        lines = (
            f"profile {self.profile.value}, because {self.profile.reason}",
            f"device {self.device.value}, because {self.device.reason}",
            f"seed {self.seed}, {self.threads} CPU thread{'s' if self.threads > 1 else ''}",
        )
        return "\n".join(lines + self.notes)


def begin(profile: str | None = None, device: str | None = None, seed: int = 0) -> Session:
    """Choose profile and device, silence the libraries, set threads and seeds; returns a `Session`."""
    check_seed(seed)
    _forget_own_settings()
    notes = clear_the_way()  # before the libraries are imported, where that is still possible
    where = choose_profile(profile)
    quiet(where.value)
    session = Session(where, choose_device(device), set_threads(where.value), seed, notes)
    seed_everything(seed)
    _advise_where_the_network_fails(where.value)
    return session


def budget(profile: str, device: str) -> Budget:
    """The `Budget` of a profile and a device such as "cuda:1"."""
    return BUDGETS[profile, device.partition(":")[0]]


# Profile


def choose_profile(requested: str | None = None) -> Choice:
    """The profile as a `Choice`; offline wherever the Hub can't be reached."""
    asked = _asked("COURSE_PROFILE", requested, "profile")
    if asked:
        if asked.value not in PROFILES:
            raise ValueError(
                f"{asked.value!r} is no profile ({asked.reason}). Use 'offline' or 'hub', or neither."
            )
        return asked
    if _is_on("CI"):
        return Choice("offline", "the variable CI is set")
    if _is_on("HF_HUB_OFFLINE"):
        return Choice("offline", "the variable HF_HUB_OFFLINE is set")
    tell_imported_libraries()  # what an earlier setup() said of the profile does not hold now
    trouble = network.hub_trouble()
    return Choice("offline", trouble) if trouble else Choice("hub", f"{network.hub_host()} answers")


# Device


def choose_device(requested: str | None = None) -> Choice:
    """The device as a `Choice` whose value PyTorch takes as it is: "cpu", "cuda", "cuda:1" or "mps"."""
    asked = _asked("COURSE_DEVICE", requested, "device")
    if asked:
        _check_device(asked)
        return asked
    if _cuda_count():
        import torch

        return Choice("cuda", f"PyTorch sees {torch.cuda.get_device_name(0)}")
    if _mps_available():
        return Choice("mps", "PyTorch sees an Apple GPU")
    return Choice("cpu", "PyTorch sees no GPU")


def _check_device(asked: Choice) -> None:
    kind, _, index = asked.value.partition(":")
    if kind not in DEVICES or (index and (kind != "cuda" or not index.isdigit())):
        raise ValueError(
            f"{asked.value!r} is no device ({asked.reason}). Use 'cpu', 'cuda', 'cuda:1' or 'mps'."
        )
    gpus = _cuda_count()
    if kind == "cuda" and int(index or 0) >= gpus:
        raise ValueError(
            f"There is no device {asked.value!r} ({asked.reason}): this PyTorch sees {gpus} CUDA GPUs. Use "
            "'cpu', or install a CUDA build of PyTorch as the README says; `course doctor` shows what is "
            "found."
        )
    if kind == "mps" and not _mps_available():
        raise ValueError(f"There is no device 'mps' ({asked.reason}): PyTorch sees no Apple GPU.")


def _cuda_count() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _mps_available() -> bool:
    import torch

    return torch.backends.mps.is_available()


# Threads and seeds


def set_threads(profile: str) -> int:
    """Set PyTorch's CPU threads and return their number.

    COURSE_THREADS decides, else OMP_NUM_THREADS, else the CPUs this process may use.
    """
    import torch

    asked = os.environ.get("COURSE_THREADS", "").strip()
    if asked and not (asked.isdecimal() and int(asked)):
        raise ValueError(f"COURSE_THREADS is {asked!r}: give a whole number from 1.")
    if threads := int(asked or _openmp_threads()):
        pass
    else:
        threads = usable_cpus()
        threads = min(threads, MOST_OFFLINE_THREADS) if profile == "offline" else threads
    torch.set_num_threads(threads)
    return threads


def _openmp_threads() -> int:
    """What OMP_NUM_THREADS says for the outermost level ("4,2" is 4); 0 where it says nothing that counts.

    The variable is OpenMP's, and often somebody else's: whatever is wrong with it is no matter of ours.
    """
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isascii() and first.isdecimal() else 0


def usable_cpus() -> int:
    """CPUs this process may run on (a container often has fewer than the machine)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's generators (PyTorch seeds its GPUs along)."""
    import numpy
    import torch

    check_seed(seed)
    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)


def check_seed(seed: object) -> None:
    """Raise ValueError unless `seed` is a whole number that all three generators take."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= LARGEST_SEED:
        raise ValueError(f"The seed is {seed!r}; give a whole number from 0 to {LARGEST_SEED}.")


# Quiet


def quiet(profile: str) -> None:
    """Silence progress bars, warnings and telemetry, and, offline, every look-up on the Hub.

    Offline, a proxy that no client here can use is put aside: it would only stop their import.

    The libraries read most of these variables once, at import. So the variables are set for what is
    imported later, and what is imported already is told directly. A variable that the learner has set stays
    as it is.
    """
    for name, value in (QUIET | NO_NETWORK if profile == "offline" else QUIET).items():
        if name not in os.environ:
            _set(name, value)
    if profile == "offline":
        for name in surroundings.unusable_proxies():
            _put_away(name)
    for message in OTHERS_BUSINESS:
        warnings.filterwarnings("ignore", message=message, category=FutureWarning)
    tell_imported_libraries()


def _forget_own_settings() -> None:
    for name in _set_by_course:
        os.environ.pop(name, None)
    _set_by_course.clear()
    for name, value in _put_aside.items():
        os.environ.setdefault(name, value)
    _put_aside.clear()


def _set(name: str, value: str) -> None:
    """Set a variable for this session; what it was before comes back with the next setup()."""
    if name in os.environ and name not in _set_by_course:
        _put_aside[name] = os.environ[name]
    os.environ[name] = value
    _set_by_course.add(name)


def put_aside() -> tuple[str, ...]:
    """The variables of the user's shell that this process goes without."""
    return tuple(_put_aside.keys() - os.environ.keys())


def _put_away(name: str) -> None:
    _put_aside[name] = os.environ.pop(name)


def tell_imported_libraries() -> None:
    """Repeat the variables' meaning to libraries that were imported before us."""
    loaded: Mapping[str, Any] = sys.modules
    # huggingface_hub loads its parts when they are first used: what is not there
    # yet reads the variables itself
    if constants := loaded.get("huggingface_hub.constants"):
        constants.HF_HUB_OFFLINE = _is_on("HF_HUB_OFFLINE")
        constants.HF_HUB_DISABLE_TELEMETRY = _is_on("HF_HUB_DISABLE_TELEMETRY")
    if (utils := loaded.get("huggingface_hub.utils")) and _is_on("HF_HUB_DISABLE_PROGRESS_BARS"):
        utils.disable_progress_bars()
    if datasets := loaded.get("datasets"):
        datasets.config.HF_HUB_OFFLINE = datasets.config.HF_DATASETS_OFFLINE = _is_on("HF_HUB_OFFLINE")
        if _is_on("HF_DATASETS_DISABLE_PROGRESS_BARS"):
            datasets.disable_progress_bars()
    if evaluate := loaded.get("evaluate"):
        evaluate.config.HF_EVALUATE_OFFLINE = _is_on("HF_EVALUATE_OFFLINE")
    if transformers := loaded.get("transformers"):
        if os.environ.get("TRANSFORMERS_VERBOSITY") == "error":
            transformers.logging.set_verbosity_error()
        if _is_on("HF_HUB_DISABLE_PROGRESS_BARS"):
            transformers.logging.disable_progress_bar()


# The user's shell: what in it would break what needs no network


def clear_the_way() -> tuple[str, ...]:
    """Find writable places, keep this machine's own addresses off proxies, put stale certificates aside.

    Returns a line for each thing that a learner should know of. Raises OSError where nothing is writable.
    """
    notes = []
    if moved := surroundings.moved_places():
        spare = surroundings.spare_folder(moved)
        notes.append(
            f"caches in {spare}, because their usual place can't be written to; to choose another, "
            f"set {', '.join(moved)}"
        )
        for name, part in moved.items():
            _set(name, str(spare / part))
    for name, value in surroundings.past_proxies().items():
        _set(name, value)
    for name, why in surroundings.stale_certificates().items():
        notes.append(f"without {name}, which {why}")
        _put_away(name)
    return tuple(notes)


# When the network fails later


def _advise_where_the_network_fails(profile: str) -> None:
    """In a notebook of the hub profile a cell that the network fails ends with what to do."""
    _told["profile"] = profile
    loaded: Any = sys.modules.get("IPython")
    if shell := loaded and loaded.get_ipython():
        shell.events.register("post_run_cell", _advise)  # once, however often this is called


def _advise(result: Any) -> None:
    if _told["profile"] == "hub" and network.network_failed(result.error_in_exec):
        print(WITHOUT_A_NETWORK, file=sys.stderr)


# Reading the environment


def _asked(variable: str, requested: str | None, keyword: str) -> Choice | None:
    """What the variable or, failing that, the notebook asks for, as a `Choice`; None when neither does."""
    if value := os.environ.get(variable, "").strip().lower():
        return Choice(value, f"the variable {variable} says so")
    if requested is not None:
        return Choice(str(requested).strip().lower(), f"setup({keyword}=…) says so")
    return None


def _is_on(variable: str) -> bool:
    return os.environ.get(variable, "").strip().upper() in {"1", "ON", "YES", "TRUE"}

"""`course doctor`: one line a check, ok, warn or fail, each with what to do.

Its output is what a bug report asks for.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from course_utils import network, places, session, surroundings
from course_utils.catalog.paths import ASSETS
from course_utils.fetched.registry import FETCHED
from course_utils.install import ROOT, normalised, read_constraints
from course_utils.workplace import PACKED

NEEDED_PYTHON = (3, 11)
# importing the whole stack was measured at 0.6 GB, training a T5 of 2 million parameters with it at 1.0 GB
TIGHT_MEMORY, LEAST_MEMORY = 3e9, 1.5e9
TIGHT_DISK, LEAST_DISK = 3e9, 0.5e9


@dataclass(frozen=True)
class Check:
    """One line of the report. status: "ok", "warn" (something will be missing)
    or "fail" (lessons won't run).
    """

    name: str
    status: str
    detail: str
    advice: str = ""


def check_python() -> Check:
    version, where = platform.python_version(), f"Python {platform.python_version()} at {sys.executable}"
    if sys.version_info < NEEDED_PYTHON:
        return Check(
            "python",
            "fail",
            f"Python {version} is too old",
            "install 3.11 or newer, then: make start PYTHON=…",
        )
    if sys.prefix == sys.base_prefix and "CONDA_PREFIX" not in os.environ:
        return Check(
            "python", "warn", f"{where}, in no environment of its own", "use `make start`, which builds .venv"
        )
    return Check("python", "ok", f"{where} on {platform.platform()}")


def installed_versions() -> dict[str, str]:
    """Versions of the installed packages by normalised name, without build suffixes such as `+cpu`."""
    found: dict[str, str] = {}
    for each in metadata.distributions():
        # where a name is found twice, the first on the path is what is imported
        found.setdefault(normalised(each.name), each.version.partition("+")[0])
    return found


def constraints() -> Path:
    """The list of tested versions: at the top of a clone or an edition, in the package of a wheel."""
    beside = ROOT / "constraints.txt"
    return beside if beside.is_file() else PACKED / "constraints.txt"


def direct_dependencies() -> set[str]:
    """Normalised names of what the workbook itself asks for, optional groups left out."""
    asked = metadata.requires("course-workbook") or []
    return {normalised(re.split(r"[^\w.-]", line, maxsplit=1)[0]) for line in asked if "extra ==" not in line}


def check_versions(
    installed: Mapping[str, str] | None = None,
    wanted: Mapping[str, str] | None = None,
    direct: set[str] | None = None,
) -> Check:
    installed = installed_versions() if installed is None else installed
    wanted = read_constraints(constraints()) if wanted is None else wanted
    missing = sorted((direct_dependencies() if direct is None else direct) - installed.keys())
    if missing:
        return Check(
            "versions",
            "fail",
            f"not installed: {', '.join(missing)}",
            "run `make start`; it installs what is missing"
            if (ROOT / "Makefile").is_file()
            else f"python -m pip install {' '.join(missing)}",
        )
    differing = [
        f"{name} {installed[name]} (tested with {version})"
        for name, version in wanted.items()
        if name in installed and installed[name] != version
    ]
    if differing:
        itself = "-e ." if constraints().parent == ROOT else "course-workbook"
        more = f" and {len(differing) - 5} more" if len(differing) > 5 else ""
        return Check(
            "versions",
            "warn",
            ", ".join(differing[:5]) + more,
            f"python -m pip install -c {constraints()} {itself} brings back the tested versions",
        )
    return Check("versions", "ok", f"{len(wanted.keys() & installed.keys())} packages as in constraints.txt")


def check_device() -> Check:
    try:
        choice = session.choose_device()
    except ValueError as error:
        return Check("device", "fail", str(error), "unset COURSE_DEVICE")
    detail = f"{choice.value}, because {choice.reason}; {session.usable_cpus()} CPUs"
    if choice.value == "cpu" and "COURSE_DEVICE" not in os.environ and shutil.which("nvidia-smi"):
        return Check(
            "device",
            "warn",
            detail + "; but nvidia-smi is here",
            "see 'With a GPU' in README.md: this torch may be a CPU build, or the driver too old for it",
        )
    return Check("device", "ok", detail)


def graded(name: str, amount: float, tight: float, least: float, what: str, advice: str) -> Check:
    """ok, warn or fail for an amount in bytes that should not be small."""
    status = "fail" if amount < least else "warn" if amount < tight else "ok"
    return Check(name, status, f"{amount / 1e9:.1f} GB {what}", "" if status == "ok" else advice)


def check_memory() -> Check:
    import psutil

    memory = psutil.virtual_memory()
    what = f"free of {memory.total / 1e9:.1f} GB"
    return graded(
        "memory",
        memory.available,
        TIGHT_MEMORY,
        LEAST_MEMORY,
        what,
        "close other programs, and shut down notebooks that you have left (each holds 0.6 GB or more)",
    )


def check_disk() -> Check:
    cache = surroundings.place("COURSE_CACHE") or Path(tempfile.gettempdir())
    folder = next(each for each in (cache, *cache.parents) if each.exists())
    free = {place: shutil.disk_usage(place).free for place in {folder, ROOT}}
    tightest = min(free, key=free.__getitem__)
    return graded(
        "disk",
        free[tightest],
        TIGHT_DISK,
        LEAST_DISK,
        f"free where {tightest} is",
        "free some space; datasets and checkpoints are written there (COURSE_CACHE chooses another folder)",
    )


def check_folders() -> Check:
    """The folders that lessons write to, tried by writing."""
    wrong = [
        name
        for name in ("COURSE_CACHE", "COURSE_DATA")
        if os.environ.get(name) and not surroundings.can_write(surroundings.place(name))
    ]
    if wrong:
        given = ", ".join(f"{name}={os.environ[name]}" for name in wrong)
        return Check(
            "folders", "fail", f"can't be written to: {given}", f"set {' and '.join(wrong)} to other folders"
        )
    if moved := surroundings.moved_places():
        unusable = [str(surroundings.place(name) or "~") for name in surroundings.PLACES if name in moved]
        unusable += [os.environ.get(name, name) for name in surroundings.WRITTEN_IN_HF_HOME if name in moved]
        return Check(
            "folders",
            "warn",
            f"can't be written to: {', '.join(unusable)}",
            f"setup() takes {surroundings.spare_folder(moved)} instead; to keep things elsewhere, set "
            f"{', '.join(moved)} to folders that you may write to",
        )
    return Check(
        "folders",
        "ok",
        f"caches in {surroundings.place('COURSE_CACHE')}, Hugging Face's in {surroundings.place('HF_HOME')}",
    )


def check_variables() -> Check:
    """What the user's shell says of proxies and certificates."""
    wrong = surroundings.unusable_proxies() | surroundings.stale_certificates()
    if wrong:
        said = "; ".join(f"{name} {why}" for name, why in wrong.items())
        return Check("variables", "warn", said, f"mend it, or: unset {' '.join(wrong)}")
    proxies = [name for name in surroundings.PROXIES if os.environ.get(name) or os.environ.get(name.lower())]
    through = f"{', '.join(proxies)} set; this machine's own addresses go past" if proxies else "no proxy"
    return Check("variables", "ok", through)


def check_place() -> Check:
    place = places.find()
    return Check("place", "ok", f"{place.name}: {place.difference}")


def check_network(trouble: str | None = None) -> Check:
    trouble = network.hub_trouble() if trouble is None else trouble
    if not trouble:
        return Check("network", "ok", f"{network.hub_host()} answers")
    if os.environ.get("COURSE_PROFILE", "").lower() == "hub":
        return Check(
            "network",
            "fail",
            f"{trouble}, and COURSE_PROFILE=hub",
            "set COURSE_PROFILE=offline (or unset it) to work offline",
        )
    return Check("network", "ok", f"{trouble}; nothing here needs it")


def check_profile() -> Check:
    try:
        choice = session.choose_profile()
    except ValueError as error:
        return Check("profile", "fail", str(error), "unset COURSE_PROFILE")
    return Check("profile", "ok", f"{choice.value}, because {choice.reason}")


def check_models(folder: Path = ASSETS) -> Check:
    """The shipped weights are there and whole: a safetensors file states its own length."""
    weights = sorted(folder.glob("*/model.safetensors"))
    if not weights:
        return Check(
            "models",
            "fail",
            f"no weights under {folder}",
            "clone the repository again, or: course build models",
        )
    broken = [path.parent.name for path in weights if not whole_safetensors(path)]
    if broken:
        return Check(
            "models", "fail", f"damaged: {', '.join(broken)}", "git checkout -- course_utils/models/assets"
        )
    size = sum(path.stat().st_size for path in weights) / 1e6
    return Check("models", "ok", f"{', '.join(path.parent.name for path in weights)} ({size:.0f} MB)")


def whole_safetensors(path: Path) -> bool:
    """Whether the file has the length that its header states (8 bytes of header length, header, tensors)."""
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size:
                return False
            header = json.loads(file.read(length))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return path.stat().st_size == 8 + length + max(ends, default=0)


def check_fetched() -> Check:
    """The encoder and the sentences that `course fetch` brings: some lessons end with them, none begins."""
    lacking = [entry.name for entry in FETCHED.values() if not entry.there]
    damaged = [entry.name for entry in FETCHED.values() if entry.there and entry.damaged()]
    if lacking or damaged:
        said = [f"not here: {', '.join(lacking)}"] if lacking else []
        said += [f"damaged: {', '.join(damaged)}"] if damaged else []
        size = sum(entry.archive.megabytes for entry in FETCHED.values())
        return Check(
            "fetched", "warn", "; ".join(said), f"course fetch ({size} MB, once); all else works without"
        )
    return Check("fetched", "ok", f"{', '.join(FETCHED)}")


def try_sandboxes() -> str:
    """The sandbox that grading would put around learners' code here, with how many of its canaries were held.

    It is put up, and its canaries fly. Raises `SandboxError` when none holds.
    """
    from course_utils.grading.run.warm import Nursery

    nursery = Nursery("auto", secrets=(str(ROOT / "solutions"),))
    try:
        nursery.open()
        return nursery.level
    finally:
        nursery.close()


def check_sandbox() -> Check:
    from course_utils.grading.run.warm import SandboxError
    from course_utils.grading.sandbox.landlock import version

    advice = (
        "only grading needs it; on Debian or Ubuntu: apt install bubblewrap, elsewhere grade in a "
        "Linux container"
    )
    if platform.system() != "Linux":
        return Check("sandbox", "warn", "there is none for this system", advice)
    landlock = f"Landlock {f'version {version()}' if version() else 'is missing'}"
    try:
        level = try_sandboxes()
    except SandboxError as error:
        return Check("sandbox", "warn", f"{error}; {landlock}", advice)
    name, held = level.split()
    detail = {"bwrap": "bubblewrap works", "container": "without bubblewrap, the inner sandbox alone"}[name]
    detail = f"{detail}; {landlock}; {held} canaries held"
    return Check("sandbox", "ok", detail) if name == "bwrap" else Check("sandbox", "warn", detail, advice)


def check_jupyter() -> Check:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    version = metadata.version("jupyterlab")
    try:
        interpreter = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return Check(
            "jupyter", "fail", f"JupyterLab {version} has no Python kernel", "python -m pip install ipykernel"
        )
    # the kernel that belongs to an environment names its own python, or just "python"
    if os.path.isabs(interpreter) and Path(interpreter).parent != Path(sys.executable).parent:
        return Check(
            "jupyter",
            "warn",
            f"the kernel 'Python 3' runs {interpreter}, not this environment",
            "jupyter kernelspec remove python3, then start JupyterLab with `make start`",
        )
    return Check("jupyter", "ok", f"JupyterLab {version}, kernel in this environment")


CHECKS = (
    check_place, check_python, check_versions, check_device, check_memory, check_disk, check_folders,
    check_variables, check_network, check_profile, check_models, check_fetched, check_sandbox, check_jupyter,
)  # fmt: skip


def examine(checks: Iterable[Callable[[], Check]] = CHECKS) -> list[Check]:
    """Run every check; one that breaks is reported as failed and does not stop the others."""
    return [attempt(check) for check in checks]


def attempt(check: Callable[[], Check]) -> Check:
    try:
        return check()
    except Exception as error:
        name = check.__name__.removeprefix("check_")
        return Check(
            name, "fail", f"{type(error).__name__}: {error}", "report this line; `make start` may mend it"
        )


def as_text(checks: Iterable[Check]) -> str:
    lines = []
    for check in checks:
        lines.append(f"{check.status:<5} {check.name:<9} {check.detail}")
        if check.advice:
            lines.append(f"{'':<15} -> {check.advice}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report; returns 1 when a check failed, else 0."""
    parser = argparse.ArgumentParser(prog="course doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="a list of name, status, detail, advice")
    options = parser.parse_args(arguments)
    checks = examine()
    print(json.dumps([asdict(check) for check in checks], indent=2) if options.json else as_text(checks))
    return int(any(check.status == "fail" for check in checks))

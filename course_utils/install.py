"""Build the environment: `python course_utils/install.py`, which is what `make start` and `make test` call.

Needs nothing but Python itself, for it runs before anything is installed. The environment is `.venv`
beside pyproject.toml. When everything was installed a stamp is left there, made from the two files that
say what to install, so that the next run has nothing to do; without the stamp it goes on from whatever
an interrupted run left.

Where `uv` is installed it does pip's work, in a fraction of the time; what it can't do, pip does. It is told
what pip's own settings say, so the result is the same. What they say goes to a log, LOG in the environment.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
import venv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)
# The environment measured 2.4 GB with torch for the CPU. What a CUDA build adds is an estimate.
CPU_GIGABYTES, CUDA_GIGABYTES = 4, 10
TORCH_INDEX = "https://download.pytorch.org/whl/"
LOG = "install-log.txt"
EVERYBODYS = "dev"  # the group that `make start` installs
#: In constraints.txt, the line that parts what EVERYBODYS group brings from what others add
BESIDES = "# What only the other groups of pyproject.toml bring:"
#: pip's settings -> the variable by which uv takes the same
UVS_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "no-index": "UV_NO_INDEX",
    "cert": "SSL_CERT_FILE",
}


class InstallError(Exception):
    """Something the reader can act on: the message says what to do."""


def read_constraints(path: str | Path = ROOT / "constraints.txt", *, groups: bool = True) -> dict[str, str]:
    """The resolved versions as a dict from normalised package name to version; with `groups=False` without
    what only the optional groups bring.
    """
    text = Path(path).read_text()
    lines = (
        line.partition("#")[0].strip()
        for line in (text if groups else text.partition(BESIDES)[0]).splitlines()
    )
    pairs = (line.split("==") for line in lines if line)
    return {normalised(name): version for name, version in pairs}


def normalised(name: str) -> str:
    """A package name as PEP 503 compares it: lower case, one dash for any run of `-`, `_` and `.`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def fingerprint(root: Path, extras: str, torch_build: str) -> str:
    """What the stamp holds: the same text means that the same things would be installed again."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((root / name).read_bytes())
    return f"{digest.hexdigest()} python {sys.version_info[0]}.{sys.version_info[1]} [{extras}] {torch_build}"


def is_installed(stamp: str, wanted: str) -> bool:
    """Whether an environment with this stamp has what is wanted: the same, or the same with more groups.

    `make test` installs more groups than `make start`, and who does both in turn waits for neither.
    """
    (before, had, behind), (start, groups, end) = (re.split(r"[\[\]]", text) for text in (stamp, wanted))
    return (before, behind) == (start, end) and set(groups.split(",")) <= set(had.split(","))


def check_python(version: Sequence = sys.version_info) -> None:
    if tuple(version[:2]) < OLDEST_PYTHON:
        raise InstallError(
            f"This is Python {version[0]}.{version[1]}; the workbook needs "
            f"{OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer. Install one from python.org (or your "
            "system's packages) and say which: make start PYTHON=/path/to/python3.12"
        )


def check_disk(folder: Path, needed_gigabytes: float, free_bytes: float | None = None) -> None:
    free = (shutil.disk_usage(folder).free if free_bytes is None else free_bytes) / 1e9
    if free < needed_gigabytes:
        raise InstallError(
            f"The disk that holds {folder} has {free:.1f} GB free; installing needs about "
            f"{needed_gigabytes} GB. Free some space (pip's own cache can go: python -m pip cache purge), "
            "then run the same command again."
        )


def explain(log: str) -> str:
    """Turn the end of the log into advice for the reader."""
    if "No space left on device" in log:
        return "The disk is full. Free some space, then run the same command again; it goes on from here."
    # an unreachable index also ends in "No matching distribution", so the network is looked for first
    if re.search(
        r"NewConnectionError|NameResolutionError|ConnectTimeout|Max retries exceeded|Temporary failure", log
    ):
        return (
            "The package index cannot be reached. Check the network or proxy, then run the same "
            "command again."
        )
    missing = re.findall(r"No matching distribution found for ([^\s(]+)", log)
    if missing:
        return (
            f"The package {missing[-1]} can't be had for Python "
            f"{sys.version_info[0]}.{sys.version_info[1]} on {sys.platform}. Try Python 3.11, 3.12 or 3.13 "
            "(make start PYTHON=...); if it still fails, report it with the lines above."
        )
    return "Not everything could be installed; the last lines above say why. Run the same command to go on."


def bin_folder(environment: Path) -> Path:
    return environment / ("Scripts" if os.name == "nt" else "bin")


def make_environment(environment: Path) -> Path:
    """Create the virtual environment unless a working one is there."""
    python = bin_folder(environment) / ("python.exe" if os.name == "nt" else "python")
    works = (
        python.exists()
        and subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0
    )
    if not works:
        print(f"Creating {environment} with Python {sys.version.split()[0]}", flush=True)
        try:
            venv.create(environment, with_pip=True, clear=environment.exists())
        except (subprocess.CalledProcessError, ImportError) as error:
            raise InstallError(
                "This Python can't make virtual environments with pip. On Debian and Ubuntu install it "
                "with: apt install python3-venv. Otherwise choose another Python: make start "
                "PYTHON=/path/to/python3"
            ) from error
    return python


class Counter(threading.Thread):
    """Says how many packages are in place: at a terminal in one line that changes, elsewhere now and then."""

    def __init__(self, environment: Path, total: int, terminal: bool | None = None) -> None:
        super().__init__(daemon=True)
        self.packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(environment)}))
        self.total = total
        self.terminal = sys.stdout.isatty() if terminal is None else terminal
        self.seconds = 1 if self.terminal else 10
        self.finished = threading.Event()

    def run(self) -> None:
        seen, begun = -1, time.monotonic()
        while not self.finished.wait(self.seconds):
            count = len(list(self.packages.glob("*.dist-info")))
            line = f"    {count} of about {self.total} packages in place"
            if self.terminal:
                print(f"\r{line}, {time.monotonic() - begun:.0f} s", end="", flush=True)
            elif count > seen:
                print(line, flush=True)
            seen = count
        if self.terminal and seen >= 0:
            print(flush=True)


def pip_settings(python: Path) -> dict[str, str]:
    """What pip's files and variables say; a variable counts more than a file, as with pip."""
    listed = subprocess.run(
        [str(python), "-m", "pip", "config", "list"], capture_output=True, text=True
    ).stdout
    entries = re.findall(r"^(\S+?)\.(\S+)='(.*)'$", listed, flags=re.M)
    rank = {"global": 1, "install": 2, ":env:": 3}
    entries.sort(key=lambda entry: rank.get(entry[0], 0))
    return {name: value for _, name, value in entries}


def uv_environment(python: Path, given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables for uv: what pip's settings say, unless uv has been told otherwise.

    As pip does, it takes the best version from all indexes and brings no Python of its own.
    """
    settings = {
        UVS_NAMES[name]: value.replace("\\n", " ")
        for name, value in pip_settings(python).items()
        if name in UVS_NAMES
    }
    pips_way = {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_PYTHON_DOWNLOADS": "never"}
    return pips_way | settings | dict(given)


def find_uv() -> str | None:
    return shutil.which("uv")


def attempts(python: Path, arguments: Sequence[str]) -> Iterator[tuple[list[str], dict[str, str]]]:
    """(command, environment) of each program that may install: uv where there is one, then pip."""
    if uv := find_uv():
        same = ["--default-index" if each == "--index-url" else each for each in arguments]
        yield [uv, "pip", "install", "--python", str(python), *same], uv_environment(python)
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    yield [*pip, *arguments], dict(os.environ)


def run_installer(python: Path, environment: Path, arguments: Sequence[str], root: Path, total: int) -> None:
    """Install with uv or pip; what they say goes to the log, and a failure becomes advice that names it."""
    log = environment / LOG
    progress = Counter(environment, total)
    progress.start()
    try:
        for command, variables in attempts(python, arguments):
            with open(log, "ab") as file:
                file.write(f"\n$ {' '.join(command)}\n".encode())
                file.flush()
                begun = file.tell()
                done = subprocess.run(command, cwd=root, env=variables, stdout=file, stderr=subprocess.STDOUT)
            if done.returncode == 0:
                return
    finally:
        progress.finished.set()
        progress.join()
    said = log.read_bytes()[begun:].decode(errors="replace")
    last = "\n".join(said.strip().splitlines()[-5:])
    raise InstallError(f"{last}\n\n{explain(said[-20_000:])}\nThe whole log is {log}")


def install(root: Path = ROOT, extras: str = EVERYBODYS, torch_build: str = "") -> bool:
    """Bring `.venv` to what pyproject.toml and constraints.txt say; return True if there was anything to do.

    `torch_build` names a folder of PyTorch's own package index ("cpu", "cu126", "cu130", "cu132");
    empty takes what pip finds by itself.
    """
    check_python()
    environment = root / ".venv"
    stamp, wanted = environment / "installed.txt", fingerprint(root, extras, torch_build)
    if stamp.exists() and is_installed(stamp.read_text(), wanted):
        return False
    versions = read_constraints(root / "constraints.txt")
    check_disk(root, CUDA_GIGABYTES if torch_build.startswith("cu") else CPU_GIGABYTES)
    stamp.unlink(missing_ok=True)
    python = make_environment(environment)
    (environment / LOG).unlink(missing_ok=True)
    # torch first and by its exact version: asked for by other packages only, pip may take another build
    by = "uv" if find_uv() else "pip"
    print(f"[1/2] torch {versions['torch']}, by {by}; the log is {environment / LOG}", flush=True)
    index = ["--index-url", TORCH_INDEX + torch_build] if torch_build else []
    run_installer(python, environment, [*index, f"torch=={versions['torch']}"], root, len(versions))
    print(f"[2/2] the other {len(versions) - 1} packages (a few minutes the first time)", flush=True)
    run_installer(python, environment, ["-c", "constraints.txt", "-e", f".[{extras}]"], root, len(versions))
    stamp.write_text(wanted)
    return True


def resolve(root: Path = ROOT) -> None:
    """Rewrite constraints.txt: the versions installed here, and those that the
    optional groups would add to them.
    """
    import json
    import tomllib

    pip, project = (
        [sys.executable, "-m", "pip"],
        tomllib.loads((root / "pyproject.toml").read_text())["project"],
    )
    listed = subprocess.run(
        [*pip, "list", "--format=json"], check=True, capture_output=True, text=True
    ).stdout
    everything = f".[{','.join(project['optional-dependencies'])}]"
    command = [*pip, "install", "--dry-run", "--quiet", "--report", "-", "-e", everything]
    added = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=root).stdout
    found = json.loads(listed) + [each["metadata"] for each in json.loads(added)["install"]]
    ours = {project["name"], "pip", "setuptools", "wheel"}
    versions = {each["name"]: each["version"].partition("+")[0] for each in found if each["name"] not in ours}
    path = root / "constraints.txt"
    header = [line for line in path.read_text().partition(BESIDES)[0].splitlines() if line.startswith("#")]
    entries = sorted((f"{name}=={version}" for name, version in versions.items()), key=str.lower)
    ours = brought_by(project["name"], EVERYBODYS)
    first = [line for line in entries if normalised(line.partition("==")[0]) in ours]
    besides = [line for line in entries if line not in first]
    path.write_text("\n".join([*header, *first, BESIDES, *besides]) + "\n")


def brought_by(name: str, *groups: str) -> set[str]:
    """The normalised names of all packages that one brings with some of its groups, itself among them, as
    what is installed here declares it.
    """
    from importlib import metadata

    from packaging.requirements import Requirement

    waiting, seen = [(normalised(name), frozenset(groups))], set()
    while waiting:
        package, extras = each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        try:
            asked = [Requirement(line) for line in metadata.requires(package) or []]
        except metadata.PackageNotFoundError:  # another system's, or not installed
            continue
        for one in asked:
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                waiting.append((normalised(one.name), frozenset(one.extras)))
    return {package for package, _ in seen}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--extras", default=EVERYBODYS, help="optional groups of pyproject.toml, comma-separated"
    )
    parser.add_argument(
        "--torch", default="", help="build of torch: cpu, cu126, cu130, cu132; empty: pip's choice"
    )
    parser.add_argument(
        "--resolve", action="store_true", help="only rewrite constraints.txt from this environment"
    )
    options = parser.parse_args(arguments)
    if options.resolve:
        resolve()
        return 0
    started = time.monotonic()
    try:
        changed = install(extras=options.extras, torch_build=options.torch)
    except InstallError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. Run the same command again; it goes on from here.", file=sys.stderr)
        return 130
    if changed:
        print(f"Installed in {time.monotonic() - started:.0f} s.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

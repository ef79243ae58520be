"""`course lab`: JupyterLab, opened on the workbook's first page, with the settings the workbook wants."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path

from course_utils import surroundings
from course_utils.install import ROOT
from course_utils.workplace import FIRST_PAGE, PACKED, workplace

SETTINGS = Path(__file__).parent / "jupyter"
#: Without nbgrader's buttons and menu: its *Validate* calls empty work a success, *Create Assignment* edits
#: an exercise, and what hands in here is `course submit`.
LEARNERS_SETTINGS = SETTINGS / "learner"


def has_display(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Whether a browser can show a window: a Linux machine without a display server has none."""
    if platform.startswith("linux"):
        return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))
    return True


def lab_arguments(
    page: str,
    port: int | None = None,
    browser: bool = True,
    root: Path = ROOT,
    superuser: bool = False,
    address: str | None = None,
) -> list[str]:
    """JupyterLab's command line. The page's address, with the access token, is what JupyterLab prints."""
    arguments = [
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url=/lab/tree/{page}",
        "--log-level=WARN",  # the address is still printed
    ]
    if port is not None:  # asked for: take this port or say that it is taken
        arguments += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if address is not None:
        arguments.append(f"--ServerApp.ip={address}")
    if not browser:
        arguments.append("--no-browser")
    if superuser:
        arguments.append("--allow-root")
    return arguments


def prepare_environment(environment: MutableMapping[str, str] = os.environ, teacher: bool = False) -> None:
    """What JupyterLab and its kernels inherit: our settings, a learner's unless for a `teacher`, and this
    environment's programs first on the path.
    """
    programs = str(Path(sys.executable).parent)
    environment["PATH"] = os.pathsep.join([programs, environment.get("PATH", "")])
    ours = [str(SETTINGS)] if teacher else [str(LEARNERS_SETTINGS), str(SETTINGS)]
    others = environment.get("JUPYTER_CONFIG_PATH")
    environment["JUPYTER_CONFIG_PATH"] = os.pathsep.join(ours + ([others] if others else []))


def find_places(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let JupyterLab keep its settings and its kernels' addresses where a home can't be written to."""
    from jupyter_core import paths

    needed = {
        "JUPYTER_CONFIG_DIR": paths.jupyter_config_dir,
        "JUPYTER_DATA_DIR": paths.jupyter_data_dir,
        "JUPYTER_RUNTIME_DIR": paths.jupyter_runtime_dir,
    }
    moved = [name for name, folder in needed.items() if not surroundings.can_write(Path(folder()))]
    if moved:
        spare = surroundings.spare_folder(moved)
        environment.update({name: str(spare / name.lower()) for name in moved})
        print(f"JupyterLab's own files go to {spare}, because the home can't be written to.", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="course lab", description=__doc__)
    parser.add_argument(
        "page", nargs="?", default=FIRST_PAGE, help=f"a file of the workbook (default {FIRST_PAGE})"
    )
    parser.add_argument("--port", type=int, help="default: 8888, or the next free one")
    parser.add_argument(
        "--address", help="where to listen (default: this machine only); 0.0.0.0 in a container"
    )
    parser.add_argument("--no-browser", action="store_true", help="only serve and print the address")
    parser.add_argument("--teacher", action="store_true", help="with nbgrader's menu and buttons")
    options = parser.parse_args(arguments)
    root = workplace()
    if root == PACKED:
        print(
            "There is no workbook in this folder or above it. `course start` lays one out here and opens it.",
            file=sys.stderr,
        )
        return 1
    if not (root / options.page).exists():
        print(f"There is no {options.page} in {root}.", file=sys.stderr)
        return 1
    find_places()
    prepare_environment(teacher=options.teacher)
    from jupyterlab.labapp import LabApp

    superuser = hasattr(os, "geteuid") and os.geteuid() == 0
    browser = has_display() and not options.no_browser
    LabApp.launch_instance(
        lab_arguments(options.page, options.port, browser, root, superuser, options.address)
    )
    return 0

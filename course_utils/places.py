"""The place where the workbook runs, told by its documented signs, and what is different there."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """name: as its owner writes it. difference: what a learner does otherwise there, as a sentence."""

    name: str
    difference: str


COLAB = Place(
    "Google Colab",
    "the machine goes when the session ends, and what is written on it goes too: keep notebooks in Drive;"
    " a GPU is under Runtime, Change runtime type; `course lab`, `course demo` and grading are for a "
    "machine of your own",
)
KAGGLE = Place(
    "Kaggle",
    "only /kaggle/working is kept, and only by Save Version; Internet and a GPU are switched on in the "
    "settings beside the notebook; `course lab`, `course demo` and grading are for a machine of your own",
)
HUB = Place(
    "JupyterHub",
    "a lab is running already: open lessons/index.ipynb in it, without `course lab`; memory may be "
    "limited to a share of what is shown; pages of `course demo` and `course hub` are on the server, "
    "where your browser is not",
)
WSL = Place(
    "WSL, Linux within Windows",
    "keep the workbook in the Linux home, for below /mnt every file is slow; the address that `course "
    "lab` prints opens in a browser of Windows",
)
CONTAINER = Place(
    "a container",
    "what is not in a volume goes with it; `course lab` needs its port published; /dev/shm is often 64 "
    "MB, so keep num_workers=0; grading's outer sandbox may need more rights than a container has",
)
ORDINARY = Place("a machine of its own", "nothing is different")


def find(environment: Mapping[str, str] = os.environ, root: Path = Path("/")) -> Place:
    """The place, by what it sets in the environment and which files it has under `root`.

    Colab sets COLAB_RELEASE_TAG in every runtime. Kaggle sets KAGGLE_KERNEL_RUN_TYPE (Interactive or
    Batch). JupyterHub gives each server JUPYTERHUB_API_TOKEN and its other variables (its reference,
    "Environment variables"). WSL sets WSL_DISTRO_NAME, and its kernel names Microsoft in
    /proc/sys/kernel/osrelease. Docker leaves /.dockerenv, Podman /run/.containerenv, and Kubernetes sets
    KUBERNETES_SERVICE_HOST; systemd's containers set `container`.
    """
    signs: tuple[tuple[Place, Callable[[], bool]], ...] = (
        (COLAB, lambda: "COLAB_RELEASE_TAG" in environment),
        (KAGGLE, lambda: "KAGGLE_KERNEL_RUN_TYPE" in environment),
        (HUB, lambda: "JUPYTERHUB_API_TOKEN" in environment or "JUPYTERHUB_USER" in environment),
        (CONTAINER, lambda: _in_container(environment, root)),
        (WSL, lambda: "WSL_DISTRO_NAME" in environment or "microsoft" in _kernel(root).lower()),
    )
    return next((place for place, is_here in signs if is_here()), ORDINARY)


def _in_container(environment: Mapping[str, str], root: Path) -> bool:
    files = (root / ".dockerenv", root / "run" / ".containerenv")
    variables = ("KUBERNETES_SERVICE_HOST", "container")
    return any(each.exists() for each in files) or any(environment.get(each) for each in variables)


def _kernel(root: Path) -> str:
    try:
        return (root / "proc" / "sys" / "kernel" / "osrelease").read_text()
    except OSError:
        return ""

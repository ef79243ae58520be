"""The outer sandbox: bubblewrap, with namespaces of its own for users, processes, IPC, network and mounts."""

from __future__ import annotations

import os
import shutil
from pathlib import PurePath

SCRATCH = "/scratch"
SHARED = ("/tmp", "/dev/shm")
_STAGE = 2**30  # bytes; a child lays a file system of its own over each of these folders, where it can
# What the warm process needs to give each child a file system and a user of its own, and to end it.
_AS_ROOT = ("CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_DAC_OVERRIDE")
_AS_USER = ("CAP_SYS_ADMIN",)


def program() -> str | None:
    """Where bubblewrap is installed, if it is."""
    return shutil.which("bwrap")


def command(inner: list[str], read: list[str]) -> list[str]:
    """The command line that runs `inner` in the sandbox, with `read` in its place and read-only.

    The command is the first process of its namespace: when it ends, everything in there does.
    """
    words = [program() or "bwrap", "--die-with-parent", "--as-pid-1"]
    words += ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    words += ["--hostname", "grading"]
    if os.getuid() == 0:
        words += ["--cap-drop", "ALL"]
        granted: tuple[str, ...] = _AS_ROOT
    else:
        words += ["--unshare-user"]
        granted = _AS_USER
    for capability in granted:
        words += ["--cap-add", capability]
    words += ["--proc", "/proc", "--dev", "/dev"]
    for place in ("/tmp", SCRATCH):
        words += ["--perms", "0700", "--size", str(_STAGE), "--tmpfs", place]
    for folder in sorted({str(parent) for path in read for parent in PurePath(path).parents} - {"/"}):
        words += ["--perms", "0755", "--dir", folder]  # bubblewrap's own would be closed to the child's user
    for path in read:
        words += _shown(path)
    words += ["--remount-ro", "/", "--chdir", SCRATCH, "--", *inner]
    return words


def _shown(path: str) -> list[str]:
    if os.path.islink(path) and os.path.dirname(path) == "/":
        return ["--symlink", os.readlink(path), path]
    return ["--ro-bind-try", path, path]

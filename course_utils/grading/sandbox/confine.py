"""Shut this process in, before it runs a learner's code: the inner sandbox.

`confine` is called once in a child that was just forked. What it cannot do here it
leaves out; what then really holds is found out by the canaries, not believed.
"""

from __future__ import annotations

import ctypes
import os
import resource
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from course_utils.grading.sandbox import landlock, seccomp
from course_utils.grading.sandbox.kinds import SANDBOXES, Sandbox

_NEW_MOUNTS, _NEW_IPC, _NEW_USER = 0x20000, 0x8000000, 0x10000000  # unshare(2)
_PRIVATE = 0x4000 | 0x40000  # MS_REC | MS_PRIVATE
_BIND = 0x1000 | 0x4000  # MS_BIND | MS_REC
_NO_DEVICES = 0x2 | 0x4  # MS_NOSUID | MS_NODEV
_DUMPABLE, _PARENT_DEATH, _KEEP_CAPABILITIES = 4, 1, 8  # prctl(2)
_AMBIENT, _AMBIENT_RAISE, _AMBIENT_CLEAR = 47, 2, 4
_READ_ALL = 1 << 2  # CAP_DAC_READ_SEARCH
_CAPABILITIES_3 = 0x20080522
_MOST_INODES = 100_000
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


@dataclass(frozen=True)
class Caps:
    """What one submission may use: bytes, numbers, seconds of processor time per process.

    `memory` is what its processes may hold beyond the shared stack, all together.
    """

    memory: int = 4 * 2**30
    disk: int = 2**30
    processes: int = 64
    files: int = 512
    seconds: int = 3600


@dataclass(frozen=True)
class Confinement:
    """How to shut a child in. `scratch` is its home; `shared` are its other writable folders."""

    kind: str  # the name of its sandbox
    scratch: str
    shared: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    user: int | None = None
    sees_others: bool = False  # read what this user may not by itself; Landlock says what that can be
    caps: Caps = field(default_factory=Caps)

    @property
    def sandbox(self) -> Sandbox:
        """What stands around it."""
        return SANDBOXES[self.kind]

    @property
    def is_alone(self) -> bool:
        """Whether its user, or all that it sees, is its own."""
        return self.sandbox.namespaces or self.user is not None


def confine(confinement: Confinement) -> None:
    """Shut this process in. Raises `OSError` where a sandbox that was asked for cannot stand."""
    hide_memory(False)  # as the warm process is
    if not confinement.sandbox.confined:
        _limit(confinement)
        return
    if confinement.sandbox.namespaces:
        _fresh_places(confinement)
    if confinement.user is not None:
        _become(confinement.user, _READ_ALL if confinement.sees_others else 0)
    if confinement.sandbox.namespaces and not confinement.sees_others:
        with suppress(OSError):  # not every machine lets an ordinary user have one inside another
            _own_user_namespace()
    _keep_capabilities(_READ_ALL if confinement.sees_others else 0)
    _limit(confinement)
    landlock.restrict([*confinement.read, "/proc"], [confinement.scratch, *confinement.shared, *DEVICES])
    # Without a sandbox around the files a socket's path might lead to somebody's agent.
    seccomp.restrict(connect=confinement.is_alone)


def _call(name: str, *arguments: Any) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def prctl(option: int, value: int, third: int = 0) -> None:
    """prctl(2); raises `OSError`."""
    _call("prctl", option, *(ctypes.c_ulong(number) for number in (value, third, 0, 0)))


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that started it is gone."""
    prctl(_PARENT_DEATH, 9)


def hide_memory(hidden: bool = True) -> None:
    """Keep other processes of this user from looking into this one; not hidden,
    it may look into itself again.
    """
    prctl(_DUMPABLE, int(not hidden))


def _fresh_places(confinement: Confinement) -> None:
    """Empty file systems of bounded size in memory, which go when the child's last process goes."""
    with suppress(OSError):  # where this can't be had, the folders are emptied between children
        _call("unshare", _NEW_MOUNTS | _NEW_IPC)
        _call("mount", b"none", b"/", None, ctypes.c_ulong(_PRIVATE), None)
        owner = os.getuid() if confinement.user is None else confinement.user
        options = f"size={confinement.caps.disk},nr_inodes={_MOST_INODES},mode=0700,uid={owner},gid={owner}"
        covered = _held_open(confinement)
        for place in (confinement.scratch, *confinement.shared):
            _call("mount", b"tmpfs", place.encode(), b"tmpfs", ctypes.c_ulong(_NO_DEVICES), options.encode())
        for path, descriptor in covered.items():
            _show_again(path, descriptor)


def _held_open(confinement: Confinement) -> dict[str, int]:
    """Descriptors of what may be seen and lies where a fresh place will cover it: a workbook in /tmp, say."""
    places = tuple(place + "/" for place in (confinement.scratch, *confinement.shared))
    return {path: os.open(path, os.O_PATH) for path in confinement.read if path.startswith(places)}


def _show_again(path: str, descriptor: int) -> None:
    """Bind what a descriptor holds to where it was."""
    if os.path.isdir(f"/proc/self/fd/{descriptor}"):
        os.makedirs(path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    source = f"/proc/self/fd/{descriptor}".encode()
    _call("mount", source, path.encode(), None, ctypes.c_ulong(_BIND), None)
    os.close(descriptor)


def _become(user: int, kept: int) -> None:
    """An ordinary user that nothing else here is."""
    if kept:
        prctl(_KEEP_CAPABILITIES, 1)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    hide_memory(False)  # a change of user hides it


def _own_user_namespace() -> None:
    user, group = os.getuid(), os.getgid()
    _call("unshare", _NEW_USER)
    for file, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{file}", "w") as place:
            place.write(text)


def _keep_capabilities(kept: int) -> None:
    """Give up every capability but those in `kept` (a mask); programs started from here get the same."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0)
    with suppress(OSError):
        prctl(_AMBIENT, _AMBIENT_CLEAR)
    # effective, permitted, inheritable; then the same for numbers above 31
    _call("capset", header, (ctypes.c_uint32 * 6)(kept, kept, kept, 0, 0, 0))
    if kept:
        prctl(_AMBIENT, _AMBIENT_RAISE, kept.bit_length() - 1)


def _limit(confinement: Confinement) -> None:
    caps = confinement.caps
    # Processes are counted by user; one who is not alone has some already.
    others = 0 if confinement.is_alone else _processes_of(os.getuid())
    for name, most in (
        ("RLIMIT_AS", _address_space() + caps.memory),
        ("RLIMIT_FSIZE", caps.disk),
        ("RLIMIT_NPROC", caps.processes + others),
        ("RLIMIT_NOFILE", caps.files),
        ("RLIMIT_CPU", caps.seconds),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_MSGQUEUE", 0),
    ):
        if hasattr(resource, name):
            number = getattr(resource, name)
            _, hard = resource.getrlimit(number)
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            with suppress(ValueError, OSError):
                resource.setrlimit(number, (most, most))


def _processes_of(user: int) -> int:
    """How many processes and threads a user has."""
    count = 0
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        with suppress(OSError):
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == user:
                count += len(os.listdir(f"/proc/{name}/task"))
    return count


def _address_space() -> int:
    """Bytes this process has mapped already: the stack it was forked with."""
    with suppress(OSError, ValueError, IndexError), open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
    return 8 * 2**30

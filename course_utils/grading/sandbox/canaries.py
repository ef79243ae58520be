"""Canaries: little programs that try to get out, run where a learner's code will run.

Each returns what it reached as a line of text, or "" when it was held. They run in a
forked child of their own, before any submission does.
"""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from collections.abc import Callable
from contextlib import suppress


def is_root(_: list[str]) -> str:
    """Look who we are."""
    return "" if os.getuid() != 0 and os.geteuid() != 0 else "the process is root"


def reads_outside(secrets: list[str]) -> str:
    """Try to read what must not be seen: the grader's files, and those of the system's users."""
    for path in [*secrets, "/etc/shadow", "/etc/ssh", "/root", "/home"]:
        with suppress(OSError):
            if os.path.isdir(path):
                inside = os.listdir(path)
                # A folder that only leads to something visible holds nothing else.
                if path in secrets and inside:
                    return f"{path} can be listed"
            else:
                with open(path, "rb") as file:
                    file.read(1)
                return f"{path} can be read"
    return ""


def writes_outside(places: list[str]) -> str:
    """Try to leave a file in the system, in the packages and beside the grader's files."""
    for place in ["/", "/etc", "/usr", "/var/tmp", os.path.dirname(os.__file__), *places]:
        with suppress(OSError), tempfile.TemporaryFile(dir=place):
            return f"{place} can be written"
    return ""


def connects(_: list[str]) -> str:
    """Try the network: TCP to this machine, and a datagram."""
    for kind, what in ((socket.SOCK_STREAM, "TCP"), (socket.SOCK_DGRAM, "UDP")):
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            try:
                with socket.socket(family, kind) as probe:
                    probe.settimeout(1)
                    probe.connect((address, 9))
            except ConnectionRefusedError:
                return f"{what} reaches {address}"
            except OSError:
                continue
            return f"{what} reaches {address}"
    return ""


def signals_parent(_: list[str]) -> str:
    """Try to reach the process that forked this one; signal 0 harms nobody, it only asks for permission."""
    parent = os.getppid()
    if parent == 1 and _is_first_process():
        # The first process of its namespace is deaf to signals that it does not listen to.
        with suppress(OSError):
            os.kill(1, signal.SIGKILL)
        return "" if os.getppid() == 1 else "the parent died"
    with suppress(OSError):
        os.kill(parent, 0)
        return "the parent can be signalled"
    return ""


def _is_first_process() -> bool:
    """Whether process 1 is the one that forked us, and not a machine's init."""
    with suppress(OSError), open("/proc/1/cmdline", "rb") as file:
        return b"course_utils.grading.run.zygote" in file.read()
    return False


def forks_without_end(most: list[str]) -> str:
    """Try to have more processes than allowed."""
    wanted = 2 * int(most[0])
    children = []
    try:
        for _ in range(wanted):
            child = os.fork()
            if child == 0:
                signal.pause()
                os._exit(0)
            children.append(child)
    except OSError:
        return ""
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)
    return f"{wanted} processes can be had at once"


def takes_memory(most: list[str]) -> str:
    """Ask for more memory than allowed; nothing of it is touched."""
    import mmap

    with suppress(OSError, ValueError, OverflowError):
        mmap.mmap(-1, int(most[0]) + 2**20).close()
        return f"{int(most[0]):,} bytes of memory can be had"
    return ""


def looks_into_parent(_: list[str]) -> str:
    """Try to read the memory and the environment of the process that forked this one."""
    for name in ("environ", "mem"):
        with suppress(OSError), open(f"/proc/{os.getppid()}/{name}", "rb") as file:
            file.read(1)
            return f"the parent's {name} can be read"
    return ""


def has_refused_calls(_: list[str]) -> str:
    """Try some system calls that seccomp should refuse with EPERM, with arguments that do nothing."""
    import ctypes
    import errno
    import platform

    from course_utils.grading.sandbox.seccomp import REFUSED

    column = {"x86_64": 0, "aarch64": 1}.get(platform.machine())
    if column is None:
        return f"no filter for {platform.machine()}"
    library = ctypes.CDLL(None, use_errno=True)
    for name in ("ptrace", "unshare", "bpf", "io_uring_setup", "keyctl", "userfaultfd", "mount"):
        number = REFUSED[name][column]
        assert number is not None, f"{name} is a call that only the other machines have"
        library.syscall(ctypes.c_long(number), *[ctypes.c_long(-1)] * 5)
        if ctypes.get_errno() != errno.EPERM:
            return f"{name} is not refused"
    return ""


CANARIES: dict[str, Callable[[list[str]], str]] = {
    "files outside cannot be read": reads_outside,
    "nothing outside can be written": writes_outside,
    "no network": connects,
    "the grader cannot be signalled": signals_parent,
    "the grader cannot be looked into": looks_into_parent,
    "dangerous system calls are refused": has_refused_calls,
    "processes are limited": forks_without_end,
    "memory is limited": takes_memory,
    "not root": is_root,
}


def fly(arguments: dict[str, list[str]]) -> dict[str, str]:
    """Run every canary; `arguments` are what some of them need, by function name.

    Returns what each reached.
    """
    reached = {}
    for claim, canary in CANARIES.items():
        try:
            reached[claim] = canary(arguments.get(canary.__name__, []))[:300]
        except Exception as error:  # a canary that fell over has shown nothing
            reached[claim] = f"could not be tried ({type(error).__name__}: {str(error)[:200]})"
    return reached

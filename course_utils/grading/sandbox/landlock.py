"""Landlock: what this process and its children may touch of the file system, by system call.

Linux 5.13 or newer; newer kernels add rights, and `restrict` asks for all that the
running one knows. Numbers are those of `linux/landlock.h` and `asm-generic/unistd.h`
(the same on every architecture). See landlock(7).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from stat import S_ISDIR
from typing import Any

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_NO_NEW_PRIVILEGES = 38  # prctl(2)

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _DEVICE_IOCTL = 1 << 14, 1 << 15
READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _DEVICE_IOCTL
# ABI version -> how many of the file rights it knows (REFER came with 2, TRUNCATE with 3, IOCTL_DEV with 5)
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_NETWORK = 0b11  # TCP bind and connect, from version 4
_SCOPES = 0b11  # abstract Unix sockets and signals, from version 6


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("descriptor", ctypes.c_int32))


def _call(number: int, *arguments: Any) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    result = library.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
    return result


def version() -> int:
    """The kernel's Landlock ABI version; 0 where there is none or it is switched off."""
    try:
        return _call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))
    except (OSError, AttributeError):
        return 0


def restrict(read: Iterable[str], write: Iterable[str]) -> int:
    """Leave this thread and its children only what lies under these paths; returns the ABI version.

    `read` may be read and executed, `write` also changed; paths that do not exist are
    passed over. TCP, and signals and abstract Unix sockets to processes outside, are closed
    as far as the kernel can. There is no way back. Raises `OSError` where Landlock is missing.
    """
    abi = version()
    if abi == 0:
        raise OSError("Landlock is not in this kernel")
    every = (1 << _FILE_RIGHTS[min(abi, 5)]) - 1
    ruleset = _Ruleset(every, _NETWORK if abi >= 4 else 0, _SCOPES if abi >= 6 else 0)
    # An older kernel takes the later fields as long as they are zero.
    handle = _call(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(ctypes.sizeof(ruleset)), 0)
    try:
        for paths, rights in ((read, READ), (write, every)):
            for path in paths:
                _allow(handle, path, rights & every)
        ctypes.CDLL(None, use_errno=True).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        _call(_RESTRICT_SELF, ctypes.c_int(handle), 0)
    finally:
        os.close(handle)
    return abi


def _allow(handle: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _OF_FILES
        beneath = _Beneath(rights, descriptor)
        _call(_ADD_RULE, ctypes.c_int(handle), ctypes.c_int(_PATH_BENEATH), ctypes.byref(beneath), 0)
    finally:
        os.close(descriptor)

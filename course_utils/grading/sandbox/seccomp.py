"""seccomp: system calls that a learner's code has no business with fail with EPERM.

The filter is put together here, some hundred instructions of classic BPF, and handed to
the kernel by prctl(2). A library would bring a dependency that is not on every machine
(pyseccomp needs libseccomp), and all that is wanted is a list of refused numbers, which
tests and canaries try one by one. The list holds what reaches other processes, the
kernel's inside, mounts and namespaces, and every socket but Unix ones; what it leaves out
is bounded by what else stands around it.

Numbers: `asm/unistd_64.h` (x86-64) and `asm-generic/unistd.h` (arm64, and everything above 423).
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

# name -> (x86-64, arm64); None where the architecture does not have it
REFUSED: dict[str, tuple[int | None, int | None]] = {
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    # mounts, roots, namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # the kernel's inside
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "syslog": (103, 116),
    "personality": (135, 92),
    "modify_ldt": (154, None),
    "ioperm": (173, None),
    "iopl": (172, None),
    # the machine
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
    # memory and queues that outlive a process
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "fanotify_init": (300, 262),
}
_SOCKET, _CONNECT = (41, 198), (42, 203)
_CLONE, _CLONE3, _IOCTL = (56, 220), (435, 435), (16, 29)
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column, AUDIT_ARCH_*
UNTRIED = ("aarch64",)  # take a machine off this list when tests and canaries have passed on it
_NEW_NAMESPACES = 0x7E020080  # every CLONE_NEW* flag, time included
_UNIX = 1  # AF_UNIX
_PUSH_INPUT, _PUSH_LINUX = 0x5412, 0x541C  # TIOCSTI and TIOCLINUX type into somebody's terminal

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND = 0, 4, 16, 24  # offsets in struct seccomp_data (low words)
_X32 = 0x40000000
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2  # prctl(2)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def _step(code: int, value: int, when: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, when, otherwise, value)


def _refuse(error: int = errno.EPERM) -> bytes:
    return _step(_RETURN, _REFUSE | error)


def _if_argument(number: int, offset: int, test: bytes) -> bytes:
    """For one system call: refused where `test`, which skips one step to
    spare it, does not; else on we go.
    """
    look = _step(_LOAD, offset) + test + _refuse() + _step(_RETURN, _ALLOW)
    return _step(_EQUAL, number, 0, len(look) // 8) + look


def program(machine: str, *, connect: bool = True) -> bytes:
    """The filter for a machine ("x86_64" or "aarch64") as BPF; `connect` leaves
    Unix sockets their connect().

    Raises `OSError` for a machine whose numbers are not known here.
    """
    if machine not in _ARCHITECTURES:
        raise OSError(f"no seccomp filter is written for {machine}")
    column, architecture = _ARCHITECTURES[machine]
    steps = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, architecture, 1, 0),
        _refuse(),  # a 32-bit call has other numbers
        _step(_LOAD, _NUMBER),
        _step(_AT_LEAST, _X32, 0, 1),
        _refuse(),
        # Its flags lie in memory, where a filter cannot look; the C library then takes clone.
        _step(_EQUAL, _CLONE3[column], 0, 1),
        _refuse(errno.ENOSYS),
    ]
    numbers = [pair[column] for pair in REFUSED.values()] + ([] if connect else [_CONNECT[column]])
    for number in numbers:
        if number is not None:
            steps += [_step(_EQUAL, number, 0, 1), _refuse()]
    steps.append(_if_argument(_SOCKET[column], _FIRST, _step(_EQUAL, _UNIX, 1, 0)))
    steps.append(_if_argument(_CLONE[column], _FIRST, _step(_ANY_BIT, _NEW_NAMESPACES, 0, 1)))
    for typing in (_PUSH_INPUT, _PUSH_LINUX):
        look = _step(_LOAD, _SECOND) + _step(_EQUAL, typing, 0, 1) + _refuse() + _step(_LOAD, _NUMBER)
        steps.append(_step(_EQUAL, _IOCTL[column], 0, len(look) // 8) + look)
    return b"".join(steps) + _step(_RETURN, _ALLOW)


def restrict(*, connect: bool = True) -> None:
    """Put the filter over this thread and its children. Raises `OSError` where it can't be."""
    machine = platform.machine()
    if machine in UNTRIED:
        raise OSError(
            f"the filter of system calls for {machine} was written from the kernel's tables and has never "
            "run, so it is not trusted: grade on an x86-64 machine, or choose --sandbox none, which "
            "protects the marks alone"
        )
    code = program(machine, connect=connect)
    buffer = ctypes.create_string_buffer(code, len(code))
    filter_ = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or library.prctl(
        _SET_SECCOMP, ctypes.c_ulong(_FILTER), ctypes.byref(filter_), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "seccomp is not to be had")

"""What is refused is refused with EPERM, and what the stack needs goes on working."""

import ctypes
import errno
import os
import platform
import re
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from course_utils.grading.sandbox import seccomp
from tests.grading.sandbox.forked import forked

TRIED = platform.machine() == "x86_64" and platform.system() == "Linux"
pytestmark = pytest.mark.skipif(not TRIED, reason="the filter is trusted on x86-64 alone")
COLUMN = 0


def tried(action, **options):
    def inside():
        seccomp.restrict(**options)
        return action()

    return forked(inside)


def call(number, *arguments):
    """errno of a system call with odd arguments (it would fail in any case, but not with EPERM)."""
    library = ctypes.CDLL(None, use_errno=True)
    ctypes.set_errno(0)
    library.syscall(ctypes.c_long(number), *(ctypes.c_long(each) for each in arguments))
    return ctypes.get_errno()


def test_every_refused_call_is_refused():
    numbers = {name: pair[COLUMN] for name, pair in seccomp.REFUSED.items() if pair[COLUMN] is not None}

    def action():
        return [name for name, number in numbers.items() if call(number, -1, -1, -1, -1, -1) != errno.EPERM]

    assert tried(action) == []


def test_no_socket_but_unix():
    def action():
        found = []
        for family in range(50):
            try:
                socket.socket(family, socket.SOCK_DGRAM).close()
                found.append(family)
            except OSError as error:
                if error.errno != errno.EPERM:
                    found.append([family, error.errno])
        return found

    assert tried(action) == [socket.AF_UNIX]


def test_unix_sockets_work_or_are_closed_as_asked(tmp_path):
    place = str(tmp_path / "socket")

    def action():
        with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
            server.bind(place)
            server.listen()
            client.connect(place)
            return "connected"

    assert tried(action) == "connected"
    os.unlink(place)
    assert tried(action, connect=False).startswith("PermissionError")


def test_new_namespaces_are_refused_to_clone():
    clone, clone3 = seccomp._CLONE[COLUMN], seccomp._CLONE3[COLUMN]
    assert tried(lambda: call(clone, 0x10000000, 0, 0, 0, 0)) == errno.EPERM
    assert tried(lambda: call(clone3, 0, 0)) == errno.ENOSYS


def test_nobody_types_into_a_terminal():
    assert tried(lambda: call(seccomp._IOCTL[COLUMN], 0, 0x5412, 0)) == errno.EPERM
    assert tried(lambda: call(seccomp._IOCTL[COLUMN], 0, 0x541C, 0)) == errno.EPERM
    assert tried(lambda: call(seccomp._IOCTL[COLUMN], 999, 0x5401, 0)) == errno.EBADF


def test_threads_processes_and_programs_work():
    def action():
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()
        child = os.fork()
        if child == 0:
            os._exit(3)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said = subprocess.run([sys.executable, "-c", "print(5)"], capture_output=True, text=True).stdout
        return [ended, said.strip()]

    assert tried(action) == [3, "5"]


HEADERS = {
    0: Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    1: Path("/usr/include/asm-generic/unistd.h"),
}


@pytest.mark.parametrize("column", HEADERS)
def test_the_numbers_are_the_kernels(column):
    if not HEADERS[column].exists():
        pytest.skip(f"{HEADERS[column]} is not installed")
    known = dict(re.findall(r"#define __NR(?:3264)?_(\w+) (\d+)", HEADERS[column].read_text()))
    compared = {
        name: pair[column] for name, pair in seccomp.REFUSED.items() if name in known and pair[column]
    }
    assert len(compared) > 40
    assert compared == {name: int(known[name]) for name in compared}


def test_another_architecture_has_another_program_and_an_unknown_one_none():
    one, other = seccomp.program("x86_64"), seccomp.program("aarch64")
    assert one != other
    assert len(one) % 8 == len(other) % 8 == 0
    with pytest.raises(OSError, match="riscv64"):
        seccomp.program("riscv64")


def test_a_32_bit_call_is_refused():
    """The first thing that is looked at is the architecture the call was made for."""
    load, compare, refuse = struct.iter_unpack("=HBBI", seccomp.program("x86_64")[:24])
    assert load[3] == 4  # offsetof(struct seccomp_data, arch)
    assert compare == (0x15, 1, 0, 0xC000003E)
    assert refuse[3] & 0xFFFF == errno.EPERM


def test_a_filter_that_has_never_run_is_refused_in_a_clear_sentence(monkeypatch):
    monkeypatch.setattr(seccomp.platform, "machine", lambda: "aarch64")
    with pytest.raises(
        OSError, match="for aarch64 was written from the kernel's tables and has never run.*x86-64"
    ):
        seccomp.restrict()

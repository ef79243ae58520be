"""`course bench hub`: how fast the local Hub is, measured through the unmodified
client, against a plain copy.

Every figure of one line comes from one run on one machine. Speeds are given as a ratio to copying
the same file with `cp`, since a disk's own speed says nothing about the Hub. Memory is the most
that the server's process has held.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

# The server runs in a process of its own, so that its memory can be told from the client's
SERVER = """
import resource, sys
from course_utils.hub import LocalHub
hub = LocalHub(sys.argv[1], seeded=False).start()
print(hub.url, hub.token, flush=True)
for line in sys.stdin:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_maxrss, used.ru_utime + used.ru_stime, flush=True)
"""
MEGABYTE = 2**20
FILES, COMMIT_FILES, REPEATS = 10_000, 50, 5


@dataclass
class Figure:
    """One measurement. goal: what it should at least (`at_least`) or at most
    be; None where there is no goal.
    """

    name: str
    value: float
    unit: str
    goal: float | None = None
    at_least: bool = False

    @property
    def reached(self) -> bool | None:
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal


class ServerProcess:
    """A Hub in a process of its own that says what it has used when it is asked."""

    def __init__(self, root: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin and self.process.stdout
        self._asked, self._said = self.process.stdin, self.process.stdout
        self.url, self.token = self._said.readline().split()

    def used(self) -> tuple[float, float]:
        """(the most memory so far in MiB, processor seconds so far) of the server."""
        self._asked.write("\n")
        self._asked.flush()
        kilobytes, processor = self._said.readline().split()
        return int(kilobytes) / 1024, float(processor)

    def stop(self) -> None:
        self._asked.close()
        self.process.wait(300)
        self._said.close()


@contextlib.contextmanager
def served(folder: Path) -> Iterator[ServerProcess]:
    """A server in a process of its own, and the client libraries pointing at it."""
    from course_utils.hub.activation import Activation

    server = ServerProcess(folder / "hub")
    home = folder / "home"
    home.mkdir()
    (home / "token").write_text(server.token)
    activation = Activation(server.url, home)
    try:
        yield server
    finally:
        activation.undo()
        server.stop()


def measure(megabytes: int = 1024, files: int = FILES) -> Iterator[Figure]:
    """Yields the `Figure`s, each as soon as it is there."""
    with tempfile.TemporaryDirectory(prefix="course-bench-hub-") as name:
        folder = Path(name)
        with served(folder) as server:
            yield from calls(server)
            yield from large_file(server, folder, megabytes)
            yield from many_files(folder, files)
            yield from commits(folder)
        shutil.rmtree(folder / "home", ignore_errors=True)
    yield from start()


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def median(work: Callable[[], object], repeats: int = REPEATS) -> float:
    return statistics.median(seconds(work) for _ in range(repeats))


def calls(server: ServerProcess) -> Iterator[Figure]:
    import huggingface_hub as hf

    hf.whoami()
    yield Figure("a call (whoami)", 1000 * median(hf.whoami, 20), "ms")


def large_file(server: ServerProcess, folder: Path, megabytes: int) -> Iterator[Figure]:
    """One large file up and down, against `cp` of the same file before and after."""
    import huggingface_hub as hf

    source, copy, down = folder / "large.bin", folder / "copy.bin", folder / "down"
    with open(source, "wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(MEGABYTE))
    hf.create_repo("large")
    before, _ = server.used()
    copied = min(copy_seconds(source, copy) for _ in range(2))
    with processor(server) as up_cost:
        up = seconds(
            lambda: hf.upload_file(path_or_fileobj=source, path_in_repo="large.bin", repo_id="me/large")
        )
    copied = statistics.median([copied, copy_seconds(source, copy)])
    with processor(server) as down_cost:
        got = seconds(lambda: hf.hf_hub_download("me/large", "large.bin", local_dir=down))
    copied = statistics.median([copied, copy_seconds(source, copy)])
    assert (down / "large.bin").stat().st_size == source.stat().st_size
    yield Figure(f"cp of {megabytes} MiB", megabytes / copied, "MiB/s")
    yield from transfer("up", megabytes, up, copied, up_cost, goal=None)
    least = least_to_receive(source, copy)
    yield Figure("up, the least that receiving needs", 1024 * least / megabytes, "s/GiB")
    added = (up_cost["server"] - least) / up_cost["client"]
    yield Figure("up, what the server adds, by the client's", added, "", 0.2)
    yield from transfer("down", megabytes, got, copied, down_cost, goal=0.2)
    yield Figure("the server's memory grew by", server.used()[0] - before, "MiB", 64)
    for path in (source, copy, down / "large.bin"):
        path.unlink()


def transfer(
    way: str, megabytes: int, took: float, copied: float, cost: dict[str, float], goal: float | None
) -> Iterator[Figure]:
    """What sending a file one way took, against two limits: `cp`, and what the unmodified client alone needs.

    took, copied: seconds by the clock, ours and `cp`'s; cost: processor seconds of client and server. `cp`
    runs from memory and hashes nothing; the client reads, hashes and sends, and no Hub makes that faster. On
    a busy machine the clock says little, and the processor time does.
    """
    yield Figure(f"{megabytes} MiB {way}", megabytes / took, "MiB/s")
    yield Figure(f"{way}, share of cp's speed", copied / took, "", 0.25, at_least=True)
    yield Figure(f"{way}, share of the speed that the client allows", cost["client"] / took, "")
    for whose, spent in cost.items():
        yield Figure(f"{way}, processor time of the {whose}", 1024 * spent / megabytes, "s/GiB")
    yield Figure(f"{way}, the server's time by the client's", cost["server"] / cost["client"], "", goal)


def least_to_receive(source: Path, target: Path) -> float:
    """Processor seconds to take a file's bytes from a socket, hash them and write them
    to a new file, and nothing else.

    No server that checks what it is sent can do with less; what ours needs beyond that is its own.
    """
    target.unlink(missing_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as door:
        sender = threading.Thread(target=send_file, args=(source, door.getsockname()))
        sender.start()
        line, _ = door.accept()
        block, digest = memoryview(bytearray(MEGABYTE)), hashlib.sha256()
        begun = time.thread_time()
        with line, open(target, "wb", buffering=0) as file:
            while count := line.recv_into(block, len(block), socket.MSG_WAITALL):
                digest.update(block[:count])
                file.write(block[:count])
        spent = time.thread_time() - begun
        sender.join()
    return spent


def send_file(source: Path, address: tuple[str, int]) -> None:
    with socket.create_connection(address) as line, open(source, "rb") as file:
        line.sendfile(file)


@contextlib.contextmanager
def processor(server: ServerProcess) -> Iterator[dict[str, float]]:
    """Fills a dict with the processor seconds that client and server spend in the block."""
    spent: dict[str, float] = {}
    client, (_, served_before) = time.process_time(), server.used()
    yield spent
    spent["client"], spent["server"] = time.process_time() - client, server.used()[1] - served_before


def copy_seconds(source: Path, copy: Path) -> float:
    copy.unlink(missing_ok=True)
    return seconds(lambda: subprocess.run(["cp", str(source), str(copy)], check=True))


def many_files(folder: Path, files: int) -> Iterator[Figure]:
    """A repository of many small files: sent in one commit, listed when the
    server has not looked at it before.
    """
    import huggingface_hub as hf

    hf.create_repo("many")
    operations = [
        hf.CommitOperationAdd(f"part-{number // 100}/{number}.txt", b"%d" % number) for number in range(files)
    ]
    sent = seconds(lambda: hf.create_commit("me/many", operations, commit_message="Many files"))
    yield Figure(f"a commit of {files:,} files", sent, "s")
    listed: list[str] = []
    yield Figure(
        f"{files:,} files listed, the first time",
        seconds(lambda: listed.extend(hf.list_repo_files("me/many"))),
        "s",
        1.0,
    )
    assert len(listed) == files + 1
    yield Figure(f"{files:,} files listed, again", median(lambda: hf.list_repo_files("me/many"), 3), "s", 1.0)


def commits(folder: Path) -> Iterator[Figure]:
    import huggingface_hub as hf

    hf.create_repo("small")
    count = iter(range(10_000))

    def commit(size: int) -> float:
        base = next(count)
        texts = [
            hf.CommitOperationAdd(f"{base}/{number}.txt", os.urandom(300).hex().encode())
            for number in range(size)
        ]
        return seconds(lambda: hf.create_commit("me/small", texts, commit_message="A commit"))

    yield Figure(
        f"a commit of {COMMIT_FILES} files",
        1000 * statistics.median(commit(COMMIT_FILES) for _ in range(REPEATS)),
        "ms",
        150,
    )
    yield Figure("a commit of one file", 1000 * statistics.median(commit(1) for _ in range(REPEATS)), "ms")


def start() -> Iterator[Figure]:
    """How long a notebook waits for a Hub with the course's repositories, all imports done."""
    from course_utils.hub import LocalHub

    hubs = []
    yield Figure(
        "start, with the course's repositories", 1000 * median(lambda: hubs.append(LocalHub().open())), "ms"
    )
    for hub in reversed(hubs):
        hub.close()


def as_row(figure: Figure) -> str:
    goal = ""
    if figure.goal is not None:
        goal = f"{'>=' if figure.at_least else '<='} {figure.goal:g}  {'yes' if figure.reached else 'NO'}"
    return f"{figure.name:<42} {figure.value:>9.3g} {figure.unit:<6} {goal}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="course bench hub", description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=1024, help="of the large file (default 1024)")
    parser.add_argument(
        "--files", type=int, default=FILES, help=f"of the many-files repository (default {FILES})"
    )
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    found = []
    for figure in measure(options.megabytes, options.files):
        print(as_row(figure), flush=True)
        found.append(figure)
    if options.json:
        rows = [asdict(each) | {"reached": each.reached} for each in found]
        Path(options.json).write_text(json.dumps(rows, indent=1))
    return 0 if all(each.reached is not False for each in found) else 1

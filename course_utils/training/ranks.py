"""One function on several processes that talk, as data parallel training has them, and that are always ended.

The processes meet over a file and talk over the loopback device with gloo, so no GPU, no network and no free
port is needed. A function may be one of a notebook: it travels by value, with what it refers to.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import dill

PRELOADED = ["torch", "torch.distributed", "torch.nn.parallel"]
KILLED = -9


@dataclass(frozen=True)
class RankOutcome:
    """How one rank ended. value: what the function gave; exit_code: 0 if it came to its end, negative for a
    signal; said: what it wrote, the traceback of an error among it; seconds: from the start of all to its
    end.
    """

    value: Any
    exit_code: int
    said: str
    seconds: float


def on_ranks(
    function: Callable[..., Any], *arguments: Any, world: int = 2, seconds: float = 300
) -> list[Any]:
    """What `function(*arguments)` gives on each of so many ranks, that of rank 0 first.

    Each rank is a process in one gloo group with one thread for its computations: `dist.get_rank()` says in
    it which one it is. However this ends, no process is left.
    Raises RuntimeError with what it said if a rank fails (the others are ended then), TimeoutError after
    `seconds`.
    """
    ended = outcomes_of_ranks(function, *arguments, world=world, seconds=seconds, at_first_failure=True)
    failed = [rank for rank, each in enumerate(ended) if each.exit_code]
    if failed:
        first = min(failed, key=lambda rank: ended[rank].seconds)  # the others lost it, or were ended
        raise RuntimeError(f"Rank {first} failed. It said:\n{ended[first].said}")
    return [each.value for each in ended]


def outcomes_of_ranks(
    function: Callable[..., Any],
    *arguments: Any,
    world: int = 2,
    seconds: float = 300,
    at_first_failure: bool = False,
) -> list[RankOutcome]:
    """How each rank ended, also where one failed or was killed. at_first_failure: end the others then.

    Raises TimeoutError after `seconds`. However this ends, no process is left.
    """
    with tempfile.TemporaryDirectory(prefix="ranks-", ignore_cleanup_errors=True) as folder:
        storage = Path(folder)
        sent = dill.dumps((function, arguments, dict(os.environ)), recurse=True)
        ranks = [
            _context().Process(target=_work, args=(rank, world, storage, sent, seconds), daemon=True)  # type: ignore[attr-defined]
            for rank in range(world)
        ]
        begun = time.time()
        try:
            for each in ranks:
                each.start()
            noticed = _wait(ranks, seconds, at_first_failure)
        finally:
            for each in ranks:
                if each.is_alive():
                    each.kill()
                if each.pid:
                    each.join()
        return [
            _outcome(storage, rank, each.exitcode, begun, noticed.get(rank, time.time()))
            for rank, each in enumerate(ranks)
        ]


def meet(rank: int, world: int, file: Path, seconds: float = 300) -> None:
    """Join the group: wait until all ranks wrote into the file where they are found."""
    import torch.distributed as dist

    store = dist.FileStore(str(file), world)
    dist.init_process_group(
        "gloo", store=store, rank=rank, world_size=world, timeout=timedelta(seconds=seconds)
    )


def _context() -> BaseContext:
    """Processes that are forked from a small one that has imported torch and done nothing with it: a fork of
    the notebook's own process would inherit its threads and what it did on a GPU. Windows has no fork.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _wait(ranks: list[Any], seconds: float, at_first_failure: bool) -> dict[int, float]:
    """When each rank was seen to have ended, by the clock."""
    last, noticed = time.monotonic() + seconds, dict[int, float]()
    while len(noticed) < len(ranks) and not (at_first_failure and any(each.exitcode for each in ranks)):
        running = [each for rank, each in enumerate(ranks) if rank not in noticed]
        left = last - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"{len(running)} of {len(ranks)} ranks were not done after {seconds:.0f} s.")
        wait([each.sentinel for each in running], timeout=left)
        noticed |= {ranks.index(each): time.time() for each in running if not each.is_alive()}
    return noticed


def _outcome(storage: Path, rank: int, exit_code: int | None, begun: float, noticed: float) -> RankOutcome:
    value, log, end = (storage / f"rank-{rank}.{kind}" for kind in ("value", "log", "end"))
    given = dill.loads(value.read_bytes()) if exit_code == 0 else None
    said = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    ended = float(end.read_text()) if end.exists() else noticed  # none where it was killed
    return RankOutcome(given, KILLED if exit_code is None else exit_code, said, ended - begun)


def _work(rank: int, world: int, storage: Path, sent: bytes, seconds: float) -> None:
    """What a rank's process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, too, and ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    log = os.open(storage / f"rank-{rank}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1), os.dup2(log, 2)
    # a notebook's own streams may have been inherited, which write elsewhere
    sys.stdout = sys.stderr = os.fdopen(1, "w", encoding="utf-8", buffering=1, closefd=False)
    code = 0
    try:
        value = _call(rank, world, storage, sent, seconds)
        (storage / f"rank-{rank}.value").write_bytes(dill.dumps(value, recurse=True))
    except BaseException:
        traceback.print_exc()
        code = 1
    (storage / f"rank-{rank}.end").write_text(str(time.time()))
    sys.stdout.flush()
    os._exit(code)  # without a wait for the other ranks, who may wait for this one


def _call(rank: int, world: int, storage: Path, sent: bytes, seconds: float) -> Any:
    import torch
    import torch.distributed as dist

    function, arguments, environment = dill.loads(sent)
    os.environ.update(environment)
    size = str(world)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=size, LOCAL_WORLD_SIZE=size)
    if loopback := [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]:
        os.environ["GLOO_SOCKET_IFNAME"] = loopback[0]
    torch.set_num_threads(1)
    meet(rank, world, storage / "meeting", seconds)
    dist.barrier()  # or a rank that is done at once is gone while another one still connects to it
    value = function(*arguments)
    if dist.is_initialized():
        dist.destroy_process_group()
    return value


def _end_with_parent() -> None:
    """For a kernel that is killed: nobody is left who would end this process."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)

"""`course rehearse`: run the lessons in order on this machine, as a class will,
and say how long each one took.

Each notebook runs in a copy of its folder, so nothing in the workbook changes. What is compared with the time
that a notebook states is the clock, the start of its kernel included: that is what an instructor waits for.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from course_utils.workplace import workplace

LONGEST_CELL = 1200  # seconds after which a cell counts as hanging


@dataclass(frozen=True)
class Rehearsal:
    """One notebook's run. name: its path in the workbook; seconds, stated: by the
    clock; fault: "" when it ran through.
    """

    name: str
    seconds: float
    stated: float | None
    fault: str = ""

    def __str__(self) -> str:
        stated = "" if self.stated is None else f"{self.stated:.0f}"
        return f"{self.seconds:7.0f} s {stated:>7}  {self.name}" + (
            f"\n{'':19}{self.fault}" if self.fault else ""
        )


def chosen(words: Iterable[str], root: Path) -> list[Path]:
    """The notebooks below `words`, folders or notebooks of the workbook, in their order.

    Raises:
        FileNotFoundError: where there are none, or the place is not in the workbook.
    """
    found, root = [], root.resolve()
    for word in words:
        place = (root / word).resolve()
        if not place.is_relative_to(root):  # nor is it searched: it may be the whole disk
            below = []
        elif place.suffix == ".ipynb" and place.is_file():
            below = [place]
        else:
            below = sorted(place.rglob("[0-9]*.ipynb"))
        if not below:
            raise FileNotFoundError(
                f"There is no notebook in {word}, seen from {root}. Name a folder such as "
                "lessons/06_full_fine_tuning."
            )
        found += [path for path in below if ".ipynb_checkpoints" not in path.parts]
    return found


def run(path: Path, scratch: str | Path, root: Path) -> Rehearsal:
    """Run a copy of one notebook from top to bottom in `scratch`; an error in a
    cell becomes the run's fault.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellControlSignal, CellExecutionError, DeadKernelError

    notebook = nbformat.read(path, as_version=4)
    folder = Path(scratch) / path.parent.relative_to(
        root
    )  # a chapter's lessons and solution have folders of one name
    if not folder.exists():  # what the lessons before it left there stays, as it does for a class
        shutil.copytree(path.parent, folder)
    client = NotebookClient(
        notebook,
        timeout=LONGEST_CELL,
        startup_timeout=LONGEST_CELL,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--log-level=ERROR"],  # its warning about local ports is for servers
    )
    fault, begun = "", time.perf_counter()
    try:
        client.execute()
    except CellExecutionError as error:
        fault = f"{error.ename}: {error.evalue}"
    except (CellControlSignal, DeadKernelError) as error:
        fault = f"the kernel stopped or hung: {error}"
    seconds = time.perf_counter() - begun
    return Rehearsal(
        str(path.relative_to(root)),
        seconds,
        notebook.metadata.get("course", {}).get("seconds"),
        fault.partition("\n")[0],
    )


def summary(runs: Sequence[Rehearsal]) -> str:
    """The last lines: how long everything took, what failed, and what took longer than it states."""
    lines = [
        (
            f"{len(runs)} notebooks, {sum(each.seconds for each in runs) / 60:.1f} minutes on "
            f"{os.cpu_count()} cores"
        )
    ]
    late = [each.name for each in runs if each.stated is not None and each.seconds > each.stated]
    if late:
        lines.append("longer than stated, so plan for it: " + ", ".join(late))
    if failed := [each.name for each in runs if each.fault]:
        lines.append(f"FAILED: {', '.join(failed)}. Run `course doctor`; put both into a bug report.")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="course rehearse", description=__doc__)
    parser.add_argument(
        "what", nargs="*", default=["lessons"], help="folders or notebooks (default: lessons)"
    )
    options = parser.parse_args(arguments)
    root = workplace().resolve()
    try:
        paths = chosen(options.what, root)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{'took':>9} {'stated':>7}  notebook")
    runs = []
    with tempfile.TemporaryDirectory(prefix="course-rehearse-") as scratch:
        for path in paths:
            runs.append(run(path, scratch, root))
            print(runs[-1], flush=True)
    print(summary(runs))
    return 1 if any(each.fault for each in runs) else 0

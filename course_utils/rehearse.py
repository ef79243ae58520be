"""`course rehearse`: run the lessons in order on this machine, as a class will,
and say how long each one took.

Each notebook runs in a copy of its folder, so nothing in the workbook changes. What is compared with the time
that a notebook states is the clock, the start of its kernel included: that is what an instructor waits for.

With `--profile hub` it is the hub profile that is rehearsed, and without a network: a Hub on this machine
serves stand-ins under the ids and revisions of the real repositories (`course_utils/standins`), and the first
cell of each copy cuts the budget. So it shows that a notebook runs there, and no times and no scores.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from course_utils.workplace import workplace

if TYPE_CHECKING:
    from nbformat import NotebookNode

LONGEST_CELL = 1200  # seconds after which a cell counts as hanging
LONGEST_FAULT = 300  # characters


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


def offers_hub(notebook: NotebookNode) -> bool:
    """Whether a notebook follows the profile that is asked for, and sets up no offline one by itself."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return not any(re.search(r"\bsetup\([^)]*profile=[\"']offline", source) for source in sources)


def run(
    path: Path,
    scratch: str | Path,
    root: Path,
    environment: Mapping[str, str] | None = None,
    before: str = "",
) -> Rehearsal:
    """Run a copy of one notebook from top to bottom in `scratch`; an error in a
    cell becomes the run's fault.

    environment: of the notebook's process, if not this one's. before: the source of a cell that stands before
    the first.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellControlSignal, CellExecutionError, DeadKernelError

    notebook = nbformat.read(path, as_version=4)
    if before:
        notebook.cells.insert(0, nbformat.v4.new_code_cell(before))
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
        client.execute(env=dict(os.environ if environment is None else environment))
    except CellExecutionError as error:
        fault = f"{_failed(notebook)}{error.ename}: {error.evalue}"
    except (CellControlSignal, DeadKernelError) as error:
        fault = f"the kernel stopped or hung: {error}"
    seconds = time.perf_counter() - begun
    return Rehearsal(
        str(path.relative_to(root)),
        seconds,
        notebook.metadata.get("course", {}).get("seconds"),
        " ".join(fault.split())[:LONGEST_FAULT],
    )


def _failed(notebook: NotebookNode) -> str:
    """Which cell failed, as the beginning of a sentence."""
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if "raises-exception" not in tags and any(
            each.output_type == "error" for each in cell.get("outputs", [])
        ):
            return f"in cell {cell.id}: "
    return ""


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


@contextlib.contextmanager
def stage(profile: str | None, scratch: Path) -> Iterator[tuple[dict[str, str] | None, str]]:
    """(the environment of the notebooks, the cell before each) while the block lasts.

    profile: None for this machine as it is, "hub" for the stand-ins.
    """
    if profile is None:
        yield None, ""
        return
    from course_utils.standins import budgets, serving, shelf

    if not shelf.complete():
        print("Making the stand-ins of the Hub's repositories, once: some minutes, 0.2 GB.", flush=True)
        shelf.make()
    with serving.serving(scratch) as environment:
        yield environment, budgets.cell()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="course rehearse", description=__doc__)
    parser.add_argument(
        "what", nargs="*", default=["lessons"], help="folders or notebooks (default: lessons)"
    )
    parser.add_argument(
        "--profile",
        choices=("hub",),
        help="rehearse the hub profile against stand-ins, without a network and on a small budget",
    )
    options = parser.parse_args(arguments)
    import nbformat

    root = workplace().resolve()
    try:
        paths = chosen(options.what, root)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    runs = []
    with (
        tempfile.TemporaryDirectory(prefix="course-rehearse-") as scratch,
        stage(options.profile, Path(scratch)) as (environment, before),
    ):
        print(f"{'took':>9} {'stated':>7}  notebook")
        for path in paths:
            if options.profile and not offers_hub(nbformat.read(path, as_version=4)):
                print(f"{'':17}  {path.relative_to(root)} is offline by its own setup()", flush=True)
                continue
            runs.append(run(path, scratch, root, environment, before))
            print(runs[-1], flush=True)
    print(summary(runs))
    return 1 if any(each.fault for each in runs) else 0

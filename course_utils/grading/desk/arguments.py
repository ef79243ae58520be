"""Arguments that several commands on a class take."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_class_folder(parser: argparse.ArgumentParser) -> None:
    """The folder of a class, as `out`."""
    parser.add_argument(
        "out", type=Path, metavar="DIR", help="the class's folder, as given to `course grade --out`"
    )

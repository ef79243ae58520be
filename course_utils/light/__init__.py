"""Lighter starts of other processes: `path/` holds stand-ins for modules that cost seconds to import and that
nothing here asks for.
"""

from __future__ import annotations

import os
from pathlib import Path

PATH = str(Path(__file__).parent / "path")


def start_lightly() -> None:
    """Put the stand-ins on the path of each Python that is started from here on; this one stays as it is."""
    given = os.environ.get("PYTHONPATH", "")
    if PATH not in given.split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [given, PATH]))

"""The guard of a lesson on fetched files: without them its notebook runs from top to bottom and says so."""

from __future__ import annotations

import sys
from typing import Any

from course_utils.fetched.registry import missing, notice

GUARD = "need("


def need(*names: str) -> None:
    """Go on where what is named was fetched; else say how to get it, and let the cells below do nothing.

    The cell of this call is run as ever, so once the files are there it lets the others run again.
    """
    shell = _shell()
    if shell is not None and _skipped in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(_skipped)
    if absent := missing(names):
        print(notice(absent))
        if shell is None:
            raise SystemExit(1)
        shell.input_transformers_cleanup.append(_skipped)


def _skipped(lines: list[str]) -> list[str]:
    """A cell's lines as IPython gives them to be changed: none, but for those of the guard."""
    return lines if any(GUARD in line for line in lines) else ["pass\n"]


def _shell() -> Any:
    """The running IPython shell, if there is one; IPython is not imported just to look."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None

"""The course's cache: where datasets, fetched files and what was judged are kept."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def cache_folder() -> Path:
    """Where datasets are kept: COURSE_CACHE, or ~/.cache/course-workbook."""
    return Path(os.environ.get("COURSE_CACHE") or "~/.cache/course-workbook").expanduser()


def kept(folder: Path, write: Callable[[Path], object]) -> Path:
    """`folder`, filled by `write(scratch_folder)` if it isn't there yet.

    It appears under its name only when it is complete, so a run that is cut off leaves nothing half done,
    and of two that run at once the second to finish keeps what the first has made.
    """
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise OSError(
            f"Can't write to {folder.parent} ({error.strerror or error}). "
            "Set COURSE_CACHE to a folder that you may write to."
        ) from error
    try:
        write(scratch)
        scratch.chmod(0o755)  # mkdtemp gives it to its owner alone; a sandbox may read it as another user
        try:
            scratch.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
        return folder
    finally:
        shutil.rmtree(scratch, ignore_errors=True)

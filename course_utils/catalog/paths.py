"""From a catalog name to a path on this machine, made or downloaded on first use and then kept."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from course_utils.catalog import entries
from course_utils.datasets import corpora, from_hub
from course_utils.models.model import ASSETS


def model_path(name: str, profile: str) -> str:
    """The folder of a model's weights and tokenizer, as a string for `from_pretrained`."""
    entry = entries.model(name)
    if profile == "hub":
        return str(entry.download())
    folder = ASSETS / name
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"The offline model {name!r} is not in {folder}. Make it with `course build models`, or take a "
            "complete copy of the repository: the weights ship with it."
        )
    return str(folder)


def dataset_path(name: str, profile: str, seed: int | None = None) -> str:
    """The folder of a dataset's train, validation and test parquet files, as a string for `load_dataset`.

    seed: None for the published set; another whole number draws a fresh set from the offline world.
    """
    entry = entries.dataset(name)
    if profile == "hub":
        if seed is not None:
            raise ValueError(
                f"A fresh {name!r} can be drawn from the offline world only, and this is the hub profile. "
                "Leave out seed=, or use setup(profile='offline')."
            )
        folder = cache_folder() / f"hub-{corpora.edition()}" / entry.revision[:12] / name
        return str(kept(folder, lambda scratch: from_hub.write(entry, scratch)))
    seed = corpora.PUBLIC_SEED if seed is None else seed
    folder = cache_folder() / f"offline-{corpora.edition()}" / f"seed-{seed}" / name
    return str(kept(folder, lambda scratch: corpora.write(name, scratch, seed=seed)))


def metric_path(name: str) -> str:
    """The folder of a metric module, as a string for `evaluate.load`."""
    return str(entries.metric(name).folder)


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

"""All stand-ins on this machine: made once, and again when what makes them has changed."""

from __future__ import annotations

from pathlib import Path

from course_utils import closure
from course_utils.cache import cache_folder, kept
from course_utils.standins import datasets, models

MAKERS = ("text", "rows", "datasets", "tokenizers", "models")


def digest() -> str:
    """What names a shelf: a digest of the sources of what makes it, and of the world, which they read."""
    here = Path(__file__).parent
    sources = [*(here / f"{name}.py" for name in MAKERS), *(here.parent / "world").glob("*.py")]
    return closure.digest(sources)[:12]


def place() -> Path:
    """Where this machine keeps them: a folder of the course's cache."""
    return cache_folder() / f"standins-{digest()}"


def model_folder(name: str, shelf: Path) -> Path:
    """The files of a model's repository, made on first use."""
    return kept(shelf / "models" / name, lambda scratch: models.write(name, scratch))


def dataset_folder(name: str, shelf: Path) -> Path:
    """The files of a dataset's repository, made on first use."""
    return kept(shelf / "datasets" / name, lambda scratch: datasets.write(name, scratch))


def complete(shelf: Path | None = None) -> bool:
    """Whether all are there."""
    shelf = shelf or place()
    found = [shelf / "models" / name for name in models.BUILDS]
    found += [shelf / "datasets" / name for name in datasets.FILES]
    return all(folder.is_dir() for folder in found)


def make(shelf: Path | None = None) -> None:
    """Make all that are not there yet, without the libraries' bars."""
    import transformers
    from datasets import disable_progress_bars

    disable_progress_bars()
    transformers.logging.disable_progress_bar()
    shelf = shelf or place()
    for name in models.BUILDS:
        model_folder(name, shelf)
    for name in datasets.FILES:
        dataset_folder(name, shelf)

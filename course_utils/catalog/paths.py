"""From a catalog name to a path on this machine, made or downloaded on first use and then kept."""

from course_utils.cache import cache_folder, kept
from course_utils.catalog import entries
from course_utils.datasets import corpora, from_hub
from course_utils.fetched.registry import FETCHED
from course_utils.models.model import ASSETS


def model_path(name: str, profile: str) -> str:
    """The folder of a model's weights and tokenizer, as a string for `from_pretrained`."""
    if name in FETCHED:
        return FETCHED[name].path("model")
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
    if name in FETCHED:
        if seed is not None:
            raise ValueError(f"{name!r} is what people wrote: no other can be drawn. Leave out seed=.")
        return FETCHED[name].path("dataset")
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

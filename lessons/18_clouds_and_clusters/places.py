"""Where a training finds its rows and first weights, and leaves its model: here, and in three clouds.

Sources: the SageMaker Training Toolkit's ENVIRONMENT_VARIABLES.md; Google's reference of CustomJobSpec
(baseOutputDirectory) and its page on Cloud Storage as a mounted file system; Azure's of the command job.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: What only this cloud sets in a training container.
MARKS = {"sagemaker": "SM_MODEL_DIR", "vertex": "AIP_MODEL_DIR", "azure": "AZUREML_RUN_ID"}
#: Which variable holds which place. What stands in none of them comes as an option.
VARIABLES = {
    "sagemaker": {"data": "SM_CHANNEL_TRAIN", "base": "SM_CHANNEL_BASE", "model": "SM_MODEL_DIR"},
    "vertex": {"model": "AIP_MODEL_DIR", "checkpoints": "AIP_CHECKPOINT_DIR"},
    "azure": {},
    "local": {},
}


@dataclass(frozen=True)
class Places:
    """data: a folder with train.jsonl and test.jsonl. base: the model to begin with. model: where it goes.

    checkpoints: a folder that outlives the machine; None if nothing is kept on the way.
    """

    cloud: str
    data: Path
    base: Path
    model: Path
    checkpoints: Path | None


def cloud_of(environment: Mapping[str, str]) -> str:
    """The cloud whose mark is set, or `local`. Raises ValueError for two at once."""
    found = [cloud for cloud, mark in MARKS.items() if environment.get(mark)]
    if len(found) > 1:
        raise ValueError(f"{' and '.join(MARKS[cloud] for cloud in found)} are set: which cloud is this?")
    return found[0] if found else "local"


def options_of(environment: Mapping[str, str], words: Sequence[str]) -> dict[str, str]:
    """A command line's names and values, `--name value` or `--name=value`; below them SM_HPS, SageMaker's.

    Raises ValueError for a word that has no name, and for a name without a value.
    """
    found = {name: str(value) for name, value in json.loads(environment.get("SM_HPS") or "{}").items()}
    rest = list(words)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if not name.startswith("--") or not (equals or rest):
            raise ValueError(f"{name}: an option is --name value")
        found[name[2:]] = value if equals else rest.pop(0)
    return found


def find_places(
    environment: Mapping[str, str], options: Mapping[str, str], mount: Path = Path("/gcs")
) -> Places:
    """The places of a run: an option, or else the cloud's variable. gs://bucket/path is read under `mount`.

    Raises ValueError where a place is missing; the message names the variable and the option.
    """
    cloud = cloud_of(environment)
    found: dict[str, Path | None] = {}
    for place in ("data", "base", "model", "checkpoints"):
        variable = VARIABLES[cloud].get(place, "")
        where = options.get(place) or environment.get(variable)
        if not where and place != "checkpoints":
            raise ValueError(f"{place} is missing: give {f'{variable} or ' if variable else ''}--{place}")
        found[place] = _mounted(where, mount) if where else None
    return Places(cloud, **found)


def _mounted(where: str, mount: Path) -> Path:
    bucket = where.removeprefix("gs://")
    return Path(where) if bucket == where else mount / bucket

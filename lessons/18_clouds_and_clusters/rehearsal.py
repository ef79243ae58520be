"""A job's file, read as its cloud reads it: which variables and words train.py gets, with folders of ours.

Each function takes the job and a folder that stands for the disk, and gives back (environment, words).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

Start = tuple[dict[str, str], list[str]]


def sagemaker(job: dict[str, Any], root: Path) -> Start:
    """The variables of the SageMaker Training Toolkit; it hands over the hyper-parameters as words, too."""
    ml = root / "opt" / "ml"
    channels = {
        channel["ChannelName"]: str(ml / "input" / "data" / channel["ChannelName"])
        for channel in job["InputDataConfig"]
    }
    chosen = {
        name: value.replace("/opt/ml", str(ml)) for name, value in job.get("HyperParameters", {}).items()
    }
    environment = {
        "SM_MODEL_DIR": str(ml / "model"),
        "SM_CHANNELS": json.dumps(sorted(channels)),
        "SM_HPS": json.dumps(chosen),
    }
    environment |= {f"SM_CHANNEL_{name.upper()}": folder for name, folder in channels.items()}
    return environment, [word for name, value in chosen.items() for word in (f"--{name}", value)]


def vertex(job: dict[str, Any], root: Path) -> Start:
    """The variables that baseOutputDirectory gives, with gs:// in them, and the container's own words."""
    spec = job["jobSpec"]
    environment = {"GCS_MOUNT": str(root / "gcs")}  # in the cloud: /gcs, which is where train.py looks
    if "baseOutputDirectory" in spec:
        prefix = spec["baseOutputDirectory"]["outputUriPrefix"].rstrip("/")
        places = {
            "AIP_MODEL_DIR": "model",
            "AIP_CHECKPOINT_DIR": "checkpoints",
            "AIP_TENSORBOARD_LOG_DIR": "logs",
        }
        environment |= {name: f"{prefix}/{folder}/" for name, folder in places.items()}
    return environment, list(spec["workerPoolSpecs"][0]["containerSpec"]["args"])


def azure(job: dict[str, Any], root: Path) -> Start:
    """The command, a folder put in for each input and output. Raises ValueError for an unknown name."""
    parts = {f"inputs.{name}": value for name, value in job["inputs"].items()}
    parts |= {f"outputs.{name}": value for name, value in job["outputs"].items()}

    def put_in(match: re.Match[str]) -> str:
        if match[1] not in parts:
            raise ValueError(f"{match[0]}: there is no such input or output")
        value = parts[match[1]]
        return str(root / match[1].replace(".", "/")) if isinstance(value, dict) else str(value)

    words = re.sub(r"\$\{\{\s*([\w.]+)\s*\}\}", put_in, job["command"]).split()
    return {"AZUREML_RUN_ID": "topics_7_1"}, words[2:]  # behind `python train.py`

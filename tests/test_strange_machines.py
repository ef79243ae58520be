"""One notebook's first steps under what shells and machines set: settings of others, odd folders, broken proxies."""

import os
import subprocess
import sys

import pytest

STEPS = """
from course_utils import setup
course = setup(exercise="04_evaluation")
from datasets import load_dataset
from transformers import AutoTokenizer
rows = load_dataset(course.dataset("reviews"), split="test[:5]")
tokenizer = AutoTokenizer.from_pretrained(course.model("distilbert"))
print("tokens", sum(len(ids) for ids in tokenizer(list(rows["text"]))["input_ids"]) > 5)
course.check("q1")
"""
DEAD = "http://127.0.0.1:9"  # the port of discard: nobody listens
#: What is set, and None for what is taken away; FOLDER is a folder whose name has a space and an umlaut.
MACHINES = {
    "a shell of a data scientist": {
        "TRANSFORMERS_CACHE": "/nowhere/at all",
        "CONDA_PREFIX": "/opt/conda",
        "CONDA_DEFAULT_ENV": "base",
        "HF_TOKEN": "hf_stale",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "2,1",
        "PATH": "FOLDER:PATH",
    },
    "locale C in a folder of one's own": {
        "LC_ALL": "C",
        "LANG": "C",
        "HF_HOME": "FOLDER/hub",
        "COURSE_CACHE": "FOLDER/course",
        "COURSE_DATA": "FOLDER/data",
    },
    "behind proxies that are gone": {
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), DEAD),
        "ALL_PROXY": "socks5://127.0.0.1:9",
        "SSL_CERT_FILE": "/nowhere/stale.pem",
        "REQUESTS_CA_BUNDLE": "/nowhere/stale.pem",
    },
    "without a home": {
        "HOME": "/proc/nohome",
        **dict.fromkeys(("HF_HOME", "COURSE_CACHE", "COURSE_DATA", "IPYTHONDIR", "MPLCONFIGDIR", "USER")),
    },
}


@pytest.mark.parametrize("name", MACHINES)
def test_the_first_steps_of_an_exercise(name, tmp_path):
    folder = tmp_path / "an own földer"
    folder.mkdir()
    jupyter = folder / "jupyter"  # somebody else's, first on the path
    jupyter.write_text("#!/bin/sh\nexit 1\n")
    jupyter.chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if key not in ("CI", "COURSE_PROFILE")}
    for key, value in MACHINES[name].items():
        if value is None:
            environment.pop(key, None)
        else:
            environment[key] = value.replace("FOLDER", str(folder)).replace("PATH", os.environ["PATH"])
    command = [sys.executable, "-c", STEPS]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "profile offline, because" in done.stdout
    assert "tokens True" in done.stdout
    assert "Traceback" not in done.stderr

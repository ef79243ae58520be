"""What keeps the tests, and the notebooks that they run, to themselves: settings, caches of their own, no network.

Part of every notebook's key (tests/notebook_keys.py): a change here runs all notebooks again.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GUARD = ROOT / "tests" / "guard"

SETTINGS = {
    "COURSE_PROFILE": "offline",
    "COURSE_DEVICE": "cpu",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_ETAG_TIMEOUT": "300",  # seconds: a busy machine is no lost connection
    "HF_HUB_DOWNLOAD_TIMEOUT": "300",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "MPLBACKEND": "Agg",
    "PYTHONHASHSEED": "0",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def isolate(scratch):
    """Settings for this process and its children; caches and the settings of Jupyter and Matplotlib in `scratch`."""
    fetched = Path(os.environ.get("COURSE_CACHE") or "~/.cache/course-workbook").expanduser() / "fetched"
    os.environ.update(SETTINGS)
    os.environ["COURSE_CACHE"] = str(scratch / "course")
    if fetched.is_dir():  # what `course fetch` brought is read, never written
        (scratch / "course").mkdir()
        (scratch / "course" / "fetched").symlink_to(fetched)
    os.environ["COURSE_DATA"] = str(scratch / "data")
    os.environ["HF_HOME"] = str(scratch / "huggingface")
    os.environ["MPLCONFIGDIR"] = str(scratch / "matplotlib")
    os.environ["IPYTHONDIR"] = str(scratch / "ipython")
    os.environ["JUPYTER_CONFIG_DIR"] = str(scratch / "jupyter")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(GUARD), os.environ.get("PYTHONPATH")]))
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_ENDPOINT", "COURSE_THREADS"):
        os.environ.pop(name, None)


def close_network():
    """Load the guard here too: this process may have started before it was on the path."""
    sys.path.insert(0, str(GUARD))
    sys.modules.pop("sitecustomize", None)
    import sitecustomize  # noqa: F401

    sys.path.remove(str(GUARD))

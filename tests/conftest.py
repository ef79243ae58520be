"""What holds for every test: no network, one thread, quiet libraries, and a cache of its own that all tests share.

The settings are made once, in the process that starts the run, before anything heavy is imported; its xdist
workers and all subprocesses and kernels inherit them.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GUARD = ROOT / "tests" / "guard"
IN_WORKER = "PYTEST_XDIST_WORKER" in os.environ

SETTINGS = {
    "COURSE_PROFILE": "offline",
    "COURSE_DEVICE": "cpu",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "MPLBACKEND": "Agg",
    "PYTHONHASHSEED": "0",
}


def isolate(scratch):
    """Settings for this process and its children; caches and the settings of Jupyter and Matplotlib in `scratch`."""
    os.environ.update(SETTINGS)
    os.environ["COURSE_CACHE"] = str(scratch / "course")
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


if not IN_WORKER:
    scratch = Path(tempfile.mkdtemp(prefix="course-tests-"))
    isolate(scratch)
close_network()


def pytest_unconfigure(config):
    if not IN_WORKER:
        shutil.rmtree(scratch, ignore_errors=True)


@pytest.fixture(scope="session")
def root():
    """The repository's top folder."""
    return ROOT


def put_back(environment):
    """Make the process's environment `environment` again."""
    if os.environ != environment:
        os.environ.clear()
        os.environ.update(environment)


@pytest.fixture(autouse=True)
def keep_environment():
    """A test's changes to the environment, setup()'s among them, end with it."""
    before = dict(os.environ)
    yield
    put_back(before)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef):
    """What a fixture shared by several tests does to the environment ends with the fixture: `keep_environment`
    begins after it, so that a module's `course` would otherwise leave HF_HUB_OFFLINE to the modules that follow.
    """
    if fixturedef.scope != "function":
        before = dict(os.environ)
        fixturedef.addfinalizer(lambda: put_back(before))
    return (yield)

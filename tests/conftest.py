"""What holds for every test: no network, one thread, quiet libraries, and a cache of its own that all tests share.

The settings are made once, in the process that starts the run, before anything heavy is imported; its xdist
workers and all subprocesses and kernels inherit them.
"""

import os
import random
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from course_utils import light, session
from tests import notebook_choice, rehearsal_choice
from tests.isolation import close_network, isolate

ROOT = Path(__file__).resolve().parent.parent
IN_WORKER = "PYTEST_XDIST_WORKER" in os.environ


def heed_interrupts():
    """A shell that runs the tests in the background lets them ignore Ctrl-C; so would all that they start and stop with it."""
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):
        signal.signal(signal.SIGINT, signal.default_int_handler)


def leave_make():
    """The run may be part of `make test`; a make that a test starts is not, and would say which folders it enters."""
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        os.environ.pop(name, None)


def import_lightly():
    """Here and in all that is started: what course_utils.light says."""
    sys.path.insert(0, light.PATH)
    light.start_lightly()


if not IN_WORKER:
    scratch = Path(tempfile.mkdtemp(prefix="course-tests-"))
    isolate(scratch)
    import_lightly()
close_network()
heed_interrupts()
os.environ.setdefault("RAY_TQDM_PATCH_PRINT", "0")  # Ray would replace `print` for all later tests, too
leave_make()
# property tests without a clock: how long one example takes says more of the machine than of the code
settings.register_profile("course", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("course")


def pytest_addoption(parser):
    notebook_choice.add_options(parser)


def pytest_configure(config):
    config.pluginmanager.register(notebook_choice.Choice(config), "choice of notebooks")
    config.pluginmanager.register(rehearsal_choice.RehearsalChoice(config), "choice of rehearsals")


def pytest_unconfigure(config):
    if not IN_WORKER:
        shutil.rmtree(scratch, ignore_errors=True)


@pytest.fixture(scope="session")
def root():
    """The repository's top folder."""
    return ROOT


class State:
    """What setup() and a test's own settings change in this process, so that it can be put back.

    The libraries are not asked how they were set: they are told what the environment says, which is what they read
    when they are imported, and they may be imported in between.
    """

    def __init__(self):
        self.environment = dict(os.environ)
        self.set_by_course = set(session._set_by_course)
        self.put_aside = dict(session._put_aside)
        self.folder = os.getcwd()

    def put_back(self):
        # one variable at a time: servers in other threads of this process read the environment meanwhile
        for name in set(os.environ) - set(self.environment):
            del os.environ[name]
        for name, value in self.environment.items():
            if os.environ.get(name) != value:
                os.environ[name] = value
        session._set_by_course.clear()
        session._set_by_course.update(self.set_by_course)
        session._put_aside.clear()
        session._put_aside.update(self.put_aside)
        session.tell_imported_libraries()
        os.chdir(self.folder)


def draw_alike():
    """Let what draws without a seed of its own draw the same, whatever ran before."""
    import numpy  # here, under the settings above

    random.seed(0)
    numpy.random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture(autouse=True)
def keep_state():
    """A test's changes to the environment, setup()'s among them, end with it."""
    state = State()
    draw_alike()
    yield
    state.put_back()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef):
    """What a fixture shared by several tests changes ends with the fixture: `keep_state` begins after it, so that
    a module's `course` would otherwise leave HF_HUB_OFFLINE to the modules that follow.
    """
    if fixturedef.scope != "function":
        fixturedef.addfinalizer(State().put_back)
        draw_alike()
    return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from tests.scheduling import Scheduling  # here, for pytest-xdist may not be installed

    return Scheduling(config, log)


LONGEST_NAME = 80  # characters of a value in a test's name, which goes into the environment, too


def pytest_make_parametrize_id(val, argname):
    """Long values are named by their length; pytest names the others as it always does."""
    if isinstance(val, str | bytes) and len(val) > LONGEST_NAME:
        return f"{argname} of {len(val)}"

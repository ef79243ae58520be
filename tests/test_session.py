"""Profile, device, budget, seeds, threads and quiet: chosen with a reason, and refused with advice."""

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
import types
import warnings

import numpy
import pytest
import torch

from course_utils import session

VARIABLES = ("COURSE_PROFILE", "COURSE_DEVICE", "COURSE_THREADS", "OMP_NUM_THREADS", "CI", "HF_HUB_OFFLINE")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    """No variable decides, and none that a test sets stays."""
    for name in (*VARIABLES, "HF_ENDPOINT", "HTTPS_PROXY", "https_proxy", *session.NO_NETWORK):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(session, "_set_by_course", set())
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def network(monkeypatch, reachable):
    monkeypatch.setattr(session, "network_reachable", lambda host, port: reachable)


def python(code, **environment):
    """Run code in a fresh interpreter and return what it prints as JSON."""
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES + tuple(session.QUIET)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=kept | environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# Profile


@pytest.mark.parametrize(("reachable", "profile"), [(True, "hub"), (False, "offline")])
def test_profile_follows_the_network(monkeypatch, reachable, profile):
    network(monkeypatch, reachable)
    choice = session.choose_profile()
    assert choice.value == profile
    assert "huggingface.co" in choice.reason


@pytest.mark.parametrize("variable", ["CI", "HF_HUB_OFFLINE"])
def test_profile_is_offline_by_variable_without_a_probe(monkeypatch, variable):
    monkeypatch.setattr(session, "network_reachable", lambda host, port: pytest.fail("probed"))
    monkeypatch.setenv(variable, "true")
    choice = session.choose_profile()
    assert choice.value == "offline"
    assert variable in choice.reason


def test_ci_switched_off_does_not_decide(monkeypatch):
    network(monkeypatch, True)
    monkeypatch.setenv("CI", "false")
    assert session.choose_profile().value == "hub"


def test_course_profile_overrules_the_notebook_and_the_notebook_overrules_ci(monkeypatch):
    monkeypatch.setenv("CI", "1")
    assert session.choose_profile("hub").value == "hub"
    monkeypatch.setenv("COURSE_PROFILE", " Offline ")
    choice = session.choose_profile("hub")
    assert choice.value == "offline"
    assert "COURSE_PROFILE" in choice.reason


def test_unknown_profile_is_refused_with_its_origin_and_the_choices(monkeypatch):
    with pytest.raises(ValueError, match=r"'online' is no profile .*setup\(profile=…\).*'offline' or 'hub'"):
        session.choose_profile("online")
    monkeypatch.setenv("COURSE_PROFILE", "local")
    with pytest.raises(ValueError, match=r"'local' is no profile .*COURSE_PROFILE"):
        session.choose_profile()


def test_probe_finds_an_open_port_and_misses_a_closed_one():
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    assert session.network_reachable("127.0.0.1", port, seconds=120)
    listener.close()
    assert not session.network_reachable("127.0.0.1", port)


def test_probe_is_bounded_when_the_name_look_up_hangs(monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(socket, "create_connection", lambda *args, **kwargs: released.wait(60))
    begun = time.monotonic()
    assert not session.network_reachable("huggingface.co", 443, seconds=0.2)
    assert time.monotonic() - begun < 30  # it did not wait for the look-up; the bound is for a busy machine
    released.set()


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({}, ("huggingface.co", 443)),
        ({"HF_ENDPOINT": "http://127.0.0.1:8090"}, ("127.0.0.1", 8090)),
        ({"HF_ENDPOINT": "http://mirror.example"}, ("mirror.example", 80)),
        ({"HTTPS_PROXY": "http://proxy.example:3128"}, ("proxy.example", 3128)),
    ],
)
def test_probe_knocks_where_a_download_would(monkeypatch, variables, address):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert session.hub_address() == address


# Device


def devices(monkeypatch, cuda=0, mps=False):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "Test GPU")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("found", "device", "reason"),
    [
        ({}, "cpu", "no GPU"),
        ({"cuda": 1}, "cuda", "Test GPU"),
        ({"mps": True}, "mps", "Apple"),
        ({"cuda": 1, "mps": True}, "cuda", "Test GPU"),
    ],
)
def test_device_follows_the_machine(monkeypatch, found, device, reason):
    devices(monkeypatch, **found)
    choice = session.choose_device()
    assert choice.value == device
    assert reason in choice.reason


def test_course_device_overrules_the_notebook(monkeypatch):
    devices(monkeypatch, cuda=2)
    assert session.choose_device("cuda:1").value == "cuda:1"
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    choice = session.choose_device("cuda:1")
    assert choice.value == "cpu"
    assert "COURSE_DEVICE" in choice.reason


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("gpu", "'gpu' is no device .*'cuda'"),
        ("cuda:x", "no device"),
        ("cpu:0", "no device"),
        ("cuda:2", "sees 2 CUDA GPUs.*README"),
        ("mps", "no Apple GPU"),
    ],
)
def test_a_device_that_is_not_there_is_refused_with_advice(monkeypatch, asked, message):
    devices(monkeypatch, cuda=2)
    with pytest.raises(ValueError, match=message):
        session.choose_device(asked)


# Budget


def test_every_profile_and_device_has_a_budget_that_makes_sense():
    for profile in session.PROFILES:
        for device in session.DEVICES:
            budget = session.budget(profile, device)
            assert budget.train_rows >= budget.eval_rows > 0
            assert budget.train_rows >= budget.train_batch_size
            assert budget.train_steps > 0
    assert session.budget("hub", "cuda:1") == session.budget("hub", "cuda")


def test_offline_a_gpu_sees_the_same_phenomena_as_a_cpu():
    assert session.budget("offline", "cuda") == session.budget("offline", "cpu")


def test_evaluations_rest_on_at_least_500_rows_where_marks_are_made():
    assert session.budget("offline", "cpu").eval_rows >= 500


# Seeds and threads


def test_the_same_seed_gives_the_same_numbers_from_all_three_generators():
    def draw():
        return random.random(), numpy.random.rand(), torch.rand(1).item()

    session.seed_everything(7)
    first = draw()
    session.seed_everything(7)
    assert draw() == first
    session.seed_everything(8)
    assert not set(draw()) & set(first)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "0", True, None])
def test_a_seed_that_numpy_would_refuse_is_refused_by_name(seed):
    with pytest.raises(ValueError, match="whole number from 0"):
        session.begin("offline", "cpu", seed)


def test_threads_are_what_the_learner_says_else_what_the_machine_has(monkeypatch):
    monkeypatch.setattr(session, "usable_cpus", lambda: 16)
    assert session.set_threads("offline") == torch.get_num_threads() == session.MOST_OFFLINE_THREADS
    assert session.set_threads("hub") == torch.get_num_threads() == 16
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert session.set_threads("hub") == 2
    monkeypatch.setenv("COURSE_THREADS", "1")
    assert session.set_threads("hub") == torch.get_num_threads() == 1


@pytest.mark.parametrize("threads", ["0", "many", "-2"])
def test_a_wrong_number_of_threads_is_refused(monkeypatch, threads):
    monkeypatch.setenv("COURSE_THREADS", threads)
    with pytest.raises(ValueError, match="whole number from 1"):
        session.set_threads("offline")


# Quiet


def test_a_second_setup_does_not_take_our_own_settings_for_the_learners(monkeypatch):
    network(monkeypatch, False)
    assert session.begin(device="cpu").profile.reason == "huggingface.co does not answer"
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    network(monkeypatch, True)
    assert session.begin(device="cpu").profile.value == "hub"
    assert "HF_HUB_OFFLINE" not in os.environ


def test_what_the_learner_has_set_stays(monkeypatch):
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "info")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    session.quiet("offline")
    assert os.environ["TRANSFORMERS_VERBOSITY"] == "info"
    assert os.environ["HF_HUB_OFFLINE"] == "0"


def test_what_libraries_say_about_each_other_is_not_shown():
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        session.quiet("offline")
        warnings.warn(
            "`is_gradient_checkpointing` is deprecated and will be removed in v6.",
            FutureWarning,
            stacklevel=1,
        )
        warnings.warn("This one is for the learner.", FutureWarning, stacklevel=1)
    assert [str(warning.message) for warning in shown] == ["This one is for the learner."]


STATE = """
import json, sys
import huggingface_hub, datasets, transformers
print(json.dumps({
    "offline": huggingface_hub.is_offline_mode(),
    "datasets offline": datasets.config.HF_HUB_OFFLINE,
    "telemetry": not huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY,
    "hub bars": not huggingface_hub.utils.are_progress_bars_disabled(),
    "datasets bars": not datasets.are_progress_bars_disabled(),
    "verbosity": transformers.logging.get_verbosity(),
}))
"""
LIBRARIES = "import huggingface_hub, datasets, transformers, evaluate\n"
BEGIN = "from course_utils import session; session.begin('{profile}', 'cpu')\n"


@pytest.mark.slow
@pytest.mark.parametrize("order", [BEGIN + LIBRARIES, LIBRARIES + BEGIN], ids=["before", "after"])
@pytest.mark.parametrize("profile", ["offline", "hub"])
def test_quiet_works_before_and_after_the_libraries_are_imported(order, profile):
    state = python(order.format(profile=profile) + STATE)
    assert state == {
        "offline": profile == "offline",
        "datasets offline": profile == "offline",
        "telemetry": False,
        "hub bars": False,
        "datasets bars": False,
        "verbosity": 40,
    }


# What it says, and what importing it costs


def test_the_session_prints_what_was_chosen_and_why():
    said = str(session.begin("offline", "cpu", seed=3))
    assert "profile offline, because setup(profile=…) says so" in said
    assert "device cpu, because setup(device=…) says so" in said
    assert "seed 3" in said


def test_importing_the_package_pulls_in_nothing_heavy():
    heavy = (
        "torch",
        "transformers",
        "datasets",
        "evaluate",
        "peft",
        "gradio",
        "numpy",
        "pandas",
        "matplotlib",
    )
    code = f"""
import json, sys
import course_utils
from course_utils import catalog, course, session
print(json.dumps([name for name in {heavy!r} if name in sys.modules]))
"""
    assert python(code) == []


def test_importing_the_teaching_helpers_pulls_in_nothing_heavy():
    heavy = ("torch", "transformers", "datasets", "evaluate", "peft", "gradio", "matplotlib")
    code = f"""
import json, sys
from course_utils.measure import evaluation, forgetting, memory, timing
from course_utils import plots
from course_utils.training import trainer as training
print(json.dumps([name for name in {heavy!r} if name in sys.modules]))
"""
    assert python(code) == []


def test_a_library_that_has_not_loaded_its_parts_yet_is_left_alone(monkeypatch):
    """`import huggingface_hub` alone loads next to nothing; its parts read the variables when they are used."""
    for name in ("huggingface_hub.constants", "huggingface_hub.utils"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "huggingface_hub", types.ModuleType("huggingface_hub"))
    session.tell_imported_libraries()

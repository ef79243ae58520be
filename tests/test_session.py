"""Profile, device, budget, seeds, threads and quiet: chosen with a reason, and refused with advice."""

import json
import os
import random
import subprocess
import sys
import types
import warnings

import numpy
import pytest
import torch

from course_utils import network, session

VARIABLES = ("COURSE_PROFILE", "COURSE_DEVICE", "COURSE_THREADS", "OMP_NUM_THREADS", "CI", "HF_HUB_OFFLINE")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    """No variable decides, and none that a test sets stays."""
    for name in (*VARIABLES, "HF_ENDPOINT", "HTTPS_PROXY", "https_proxy", *session.NO_NETWORK):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(session, "_set_by_course", set())
    monkeypatch.setattr(session, "_put_aside", {})
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def hub(monkeypatch, reachable):
    monkeypatch.setattr(network, "hub_trouble", lambda: "" if reachable else "huggingface.co does not answer")


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
def test_profile_follows_the_hub(monkeypatch, reachable, profile):
    hub(monkeypatch, reachable)
    choice = session.choose_profile()
    assert choice.value == profile
    assert "huggingface.co" in choice.reason


@pytest.mark.parametrize("variable", ["CI", "HF_HUB_OFFLINE"])
def test_profile_is_offline_by_variable_without_a_probe(monkeypatch, variable):
    monkeypatch.setattr(network, "hub_trouble", lambda: pytest.fail("probed"))
    monkeypatch.setenv(variable, "true")
    choice = session.choose_profile()
    assert choice.value == "offline"
    assert variable in choice.reason


def test_ci_switched_off_does_not_decide(monkeypatch):
    hub(monkeypatch, True)
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


@pytest.mark.parametrize(
    ("openmp", "threads"),
    [
        ("4,2", 4),
        (" 4", 4),
        ("3 , 1", 3),
        ("many", 16),
        ("", 16),
        ("0", 16),
        ("-2", 16),
        (",", 16),
        ("²", 16),
    ],
)
def test_openmps_variable_is_read_as_openmp_reads_it_and_never_stops_a_notebook(monkeypatch, openmp, threads):
    monkeypatch.setattr(session, "usable_cpus", lambda: 16)
    monkeypatch.setenv("OMP_NUM_THREADS", openmp)
    assert session.set_threads("hub") == torch.get_num_threads() == threads


@pytest.mark.parametrize("threads", ["0", "many", "-2", "4,2"])
def test_a_wrong_number_of_threads_is_refused(monkeypatch, threads):
    monkeypatch.setenv("COURSE_THREADS", threads)
    with pytest.raises(ValueError, match="whole number from 1"):
        session.set_threads("offline")


# Quiet


def test_a_second_setup_does_not_take_our_own_settings_for_the_learners(monkeypatch):
    hub(monkeypatch, False)
    assert session.begin(device="cpu").profile.reason == "huggingface.co does not answer"
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    hub(monkeypatch, True)
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


# The user's shell


def test_what_is_put_right_is_said_undone_by_the_next_setup_and_found_again(monkeypatch, tmp_path):
    """Stale certificates, a proxy that nobody can use and a home that is no folder, twice alike."""
    (tmp_path / "file").touch()
    shell = {
        "SSL_CERT_FILE": str(tmp_path / "gone.pem"),
        "ALL_PROXY": "socks://127.0.0.1:1",
        "http_proxy": "http://proxy.example:3128",
        "NO_PROXY": "intern.example",
        "HF_HOME": str(tmp_path / "file" / "hf"),
    }
    for name, value in shell.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(session.surroundings.tempfile, "gettempdir", lambda: str(tmp_path))
    said = [str(session.begin(device="cpu")) for _ in range(2)]
    assert said[0] == said[1]
    assert "offline, because ALL_PROXY begins with socks://" in said[0]
    assert f"caches in {tmp_path}" in said[0] and "set HF_HOME" in said[0]
    assert f"without SSL_CERT_FILE, which names {tmp_path / 'gone.pem'}" in said[0]
    assert not {"SSL_CERT_FILE", "ALL_PROXY"} & os.environ.keys()
    assert os.environ["HF_HOME"].startswith(str(tmp_path / "course-workbook"))
    assert os.environ["NO_PROXY"] == "intern.example,127.0.0.1,localhost,::1"
    assert os.environ["http_proxy"] == shell["http_proxy"], "pip in a notebook still needs it"
    session._forget_own_settings()
    assert {name: os.environ.get(name) for name in shell} == shell


def test_an_ordinary_shell_has_nothing_put_right():
    assert session.begin("offline", "cpu").notes == ()


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

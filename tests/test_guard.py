"""The wall that keeps the tests off the network stands here, in subprocesses and in kernels."""

import os
import random
import socket
import subprocess
import sys
import threading
import urllib.request

import numpy
import pytest
import torch

from course_utils import session

# a documentation address (RFC 5737): nothing answers there, and nothing is asked
DISTANT = "192.0.2.1"
ATTEMPT = f"""
import socket
try:
    socket.create_connection(("{DISTANT}", 9), timeout=5)
except OSError as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("host", [DISTANT, "2001:db8::1"])
def test_distant_connections_are_refused(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as connection:
        with pytest.raises(OSError, match="tests use no network"):
            connection.connect((host, 9))
        with pytest.raises(OSError, match="tests use no network"):
            connection.connect_ex((host, 9))


def test_distant_datagrams_are_refused():
    with (
        socket.socket(type=socket.SOCK_DGRAM) as sender,
        pytest.raises(OSError, match="tests use no network"),
    ):
        sender.sendto(b"x", (DISTANT, 9))


def test_names_are_not_looked_up():
    with pytest.raises(OSError, match="looks up"):
        urllib.request.urlopen("http://example.invalid/")


def test_loopback_stays_open():
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].sendall(b"hello"), daemon=True).start()
        with socket.create_connection(("localhost", server.getsockname()[1]), timeout=60) as connection:
            assert connection.recv(5) == b"hello"


def test_subprocesses_are_walled_in_too():
    result = subprocess.run([sys.executable, "-c", ATTEMPT], capture_output=True, text=True, timeout=600)
    assert result.stdout.strip() == "NetworkRefused", result.stderr


def test_kernels_are_walled_in_too():
    from nbclient import NotebookClient
    from nbformat.v4 import new_code_cell, new_notebook

    notebook = new_notebook(cells=[new_code_cell(ATTEMPT)])
    NotebookClient(notebook, timeout=600, startup_timeout=600, iopub_timeout=600).execute()
    assert notebook.cells[0].outputs[0].text.strip() == "NetworkRefused"


def test_caches_are_the_runs_own():
    for name in ("COURSE_CACHE", "HF_HOME"):
        assert "course-tests-" in os.environ[name]


@pytest.mark.parametrize("turn", [1, 2])
def test_a_tests_environment_ends_with_it(turn):
    assert "COURSE_LEFT_BEHIND" not in os.environ
    os.environ["COURSE_LEFT_BEHIND"] = "1"


@pytest.mark.parametrize("turn", [1, 2])
def test_what_setup_tells_the_libraries_ends_with_the_test(turn):
    from huggingface_hub import constants

    assert not constants.HF_HUB_OFFLINE and not session._set_by_course
    session.quiet("offline")
    assert constants.HF_HUB_OFFLINE and "HF_HUB_OFFLINE" in session._set_by_course


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_draws_the_same_random_numbers(turn):
    assert random.random() == random.Random(0).random()
    assert numpy.random.rand() == numpy.random.RandomState(0).rand()
    assert torch.rand(1) == torch.rand(1, generator=torch.Generator().manual_seed(0))

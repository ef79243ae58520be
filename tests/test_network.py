"""The Hub counts as there only when it gives what a lesson needs; and what the network spoilt is known as such."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from course_utils import network, session
from course_utils.surroundings import PROXIES

QUICK = network.PROBE_SECONDS  # as learners have it
PATIENCE = 120  # seconds for a busy machine; what should be refused is refused at once


class Answering(BaseHTTPRequestHandler):
    """Answers every request with `server.answer`: (status, {header: value}); keeps what was asked."""

    def respond(self):
        self.server.asked.append((self.command, self.path, self.headers.get("Authorization")))
        status, headers = self.server.answer
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    do_HEAD = do_GET = do_CONNECT = respond

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(status, headers=None):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.answer, server.asked = (status, headers or {}), []
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


GOOD = {"X-Repo-Commit": "a" * 40, "ETag": '"1"', "Content-Length": "0"}


@pytest.fixture(autouse=True)
def bare_shell(monkeypatch):
    names = [*PROXIES, *(name.lower() for name in PROXIES), "NO_PROXY", "no_proxy", "HF_ENDPOINT", "HF_TOKEN"]
    for name in (*names, "HF_HUB_OFFLINE", "CI", "COURSE_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(network, "PROBE_SECONDS", PATIENCE)
    session.tell_imported_libraries()
    forget_client()
    yield
    forget_client()


def forget_client():
    """The Hub's client keeps its proxies for as long as it lives."""
    from huggingface_hub.utils import close_session

    close_session()


def at(server, name="127.0.0.1"):
    return f"http://{name}:{server.server_port}"


def test_a_hub_that_gives_a_file_is_there(monkeypatch):
    with serving(200, GOOD) as server:
        monkeypatch.setenv("HF_ENDPOINT", at(server))
        assert session.choose_profile() == session.Choice("hub", "127.0.0.1 answers")
    assert [(method, path) for method, path, _ in server.asked] == [("HEAD", f"/{network.PROBE_FILE}")]


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (403, {}, "answers with status 403"),
        (503, {}, "answers with status 503"),
        (404, {"X-Error-Code": "RepoNotFound"}, "answers with status 404"),
        (200, {"Content-Type": "text/html"}, "not a Hub that answers there"),  # a hotel's page to sign in
        (302, {"Location": "http://hotel.example/sign-in"}, "not a Hub that answers there"),
    ],
)
def test_what_answers_and_gives_no_file_is_no_hub(monkeypatch, status, headers, said):
    with serving(status, headers) as server:
        monkeypatch.setenv("HF_ENDPOINT", at(server))
        choice = session.choose_profile()
    assert choice.value == "offline"
    assert said in choice.reason


def test_a_proxy_that_refuses_means_offline_and_is_the_reason(monkeypatch):
    """The Hub by https, as it is: the proxy is asked for a tunnel, and says no."""
    with serving(403) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", at(proxy))
        choice = session.choose_profile()
    assert choice.value == "offline"
    assert "the proxy 127.0.0.1 does not let through to huggingface.co (403" in choice.reason
    assert [(method, path) for method, path, _ in proxy.asked] == [("CONNECT", "huggingface.co:443")]


def test_a_token_that_is_not_taken_is_the_reason(monkeypatch):
    with serving(401, {"X-Error-Message": "Invalid credentials in Authorization header"}) as server:
        monkeypatch.setenv("HF_ENDPOINT", at(server))
        monkeypatch.setenv("HF_TOKEN", "hf_stale")
        choice = session.choose_profile()
    assert choice == session.Choice("offline", "127.0.0.1 does not take the token in HF_TOKEN")
    assert server.asked[0][2] == "Bearer hf_stale", "a download would send it, too"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ALL_PROXY", "socks://127.0.0.1:9", "ALL_PROXY begins with socks://"),
        ("HTTPS_PROXY", "http://127.0.0.1:port", "HTTPS_PROXY is no address"),
        ("ALL_PROXY", "socks5://127.0.0.1:9", "127.0.0.1 does not answer"),
        ("HF_ENDPOINT", "http://[nonsense", "no address"),
        ("HF_ENDPOINT", "huggingface.co", "huggingface.co does not answer"),
    ],
)
def test_nonsense_in_the_shell_is_offline_with_a_reason(monkeypatch, variable, value, said):
    monkeypatch.setenv(variable, value)
    choice = session.choose_profile()
    assert choice.value == "offline"
    assert said in choice.reason


def test_a_hub_that_never_answers_is_not_waited_for(monkeypatch):
    """It takes the connection, and then says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{listener.getsockname()[1]}")
    monkeypatch.setattr(network, "PROBE_SECONDS", 0.3)
    begun = time.monotonic()
    choice = session.choose_profile()
    assert time.monotonic() - begun < 30  # the bound is for a busy machine
    listener.close()
    assert choice.value == "offline"
    assert "0.3 s" in choice.reason or "Timeout" in choice.reason


def test_setup_is_quick_without_a_network():
    assert 2 * QUICK <= 3


def test_an_earlier_offline_session_does_not_hide_the_hub(monkeypatch):
    from huggingface_hub import constants

    with serving(200, GOOD) as server:
        monkeypatch.setenv("HF_ENDPOINT", at(server))
        session.begin("offline", "cpu")
        assert constants.HF_HUB_OFFLINE
        assert session.begin(device="cpu").profile.value == "hub"


# The address that is knocked at


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({}, ("huggingface.co", 443)),
        ({"HF_ENDPOINT": "http://127.0.0.1:8090"}, ("127.0.0.1", 8090)),
        ({"HF_ENDPOINT": "http://mirror.example"}, ("mirror.example", 80)),
        ({"HTTPS_PROXY": "http://proxy.example:3128"}, ("proxy.example", 3128)),
        ({"https_proxy": "proxy.example:3128"}, ("proxy.example", 3128)),
        ({"HTTP_PROXY": "http://proxy.example:3128"}, ("huggingface.co", 443)),
        ({"ALL_PROXY": "socks5://proxy.example"}, ("proxy.example", 1080)),
        ({"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": "huggingface.co"}, ("huggingface.co", 443)),
        (
            {"HTTP_PROXY": "http://proxy.example:1", "HF_ENDPOINT": "http://mirror.example"},
            ("proxy.example", 1),
        ),
    ],
)
def test_probe_knocks_where_a_download_would(monkeypatch, variables, address):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert network.hub_address() == address


def test_probe_finds_an_open_port_and_misses_a_closed_one():
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    assert network.network_reachable("127.0.0.1", port, seconds=120)
    listener.close()
    assert not network.network_reachable("127.0.0.1", port)


def test_probe_is_bounded_when_the_name_look_up_hangs(monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(socket, "create_connection", lambda *args, **kwargs: released.wait(60))
    begun = time.monotonic()
    assert not network.network_reachable("huggingface.co", 443, seconds=0.2)
    assert time.monotonic() - begun < 30  # it did not wait for the look-up; the bound is for a busy machine
    released.set()


# What went wrong later


def failure(url, kind=httpx2.ProxyError):
    return kind("403 Forbidden", request=httpx2.Request("GET", url))


def refused(url, status):
    request = httpx2.Request("GET", url)
    response = httpx2.Response(status, request=request)
    return httpx2.HTTPStatusError("no", request=request, response=response)


def wrapped(error):
    try:
        try:
            raise error
        except Exception as cause:
            raise OSError("We couldn't connect to the Hub") from cause
    except OSError as raised:
        return raised


FAR, NEAR = "https://huggingface.co/x", "http://127.0.0.1:9/x"


@pytest.mark.parametrize(
    ("error", "is_it"),
    [
        (failure(FAR), True),
        (failure(FAR, httpx2.ConnectTimeout), True),
        (wrapped(failure(FAR)), True),
        (refused(FAR, 503), True),
        (httpx2.ConnectError("nobody knows where"), True),
        (refused(FAR, 404), False),  # a name that is wrong
        (failure(NEAR, httpx2.ConnectError), False),  # a local Hub that was stopped
        (refused(NEAR, 503), False),  # hub.fail(503), which lessons show
        (ConnectionError("a socket of the learner's"), False),
        (ValueError("no"), False),
        (None, False),
    ],
)
def test_what_the_network_spoilt_is_known(error, is_it):
    assert network.network_failed(error) == is_it


IN_A_NOTEBOOK = """
from IPython.core.interactiveshell import InteractiveShell
from course_utils import session
shell = InteractiveShell.instance()
shell.showtraceback = lambda *a, **k: None
for profile in ("hub", "hub", "offline"):
    session.begin(profile, "cpu")
    print(profile, flush=True)
    shell.run_cell("import httpx2; raise httpx2.ProxyError('403 Forbidden')")
    shell.run_cell("1 / 0")
"""


def test_a_cell_of_the_hub_profile_that_the_network_fails_names_the_way_out(tmp_path):
    environment = os.environ | {"IPYTHONDIR": str(tmp_path)}
    environment.pop("COURSE_PROFILE", None)
    done = subprocess.run(
        [sys.executable, "-c", IN_A_NOTEBOOK], env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=600,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["hub", session.WITHOUT_A_NETWORK] * 2 + ["offline"]
    assert "COURSE_PROFILE=offline" in session.WITHOUT_A_NETWORK

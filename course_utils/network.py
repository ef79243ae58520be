"""Whether the Hub gives what a lesson needs, and whether it was the network that failed."""

from __future__ import annotations

import os
import socket
import threading
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from course_utils.surroundings import LOOPBACK, unusable_proxies

PROBE_SECONDS = 1.5  # for a connection, and as much again for an answer
PROBE_FILE = "google/flan-t5-small/resolve/main/config.json"  # a small one, of a model that lessons load


def hub_trouble(seconds: float | None = None) -> str:
    """Why a download from the Hub would fail, as what follows "because"; "" where it would not.

    A connection is tried. Then the Hub's own client asks for what is known of one small file, with which
    every download begins: so with its proxies, certificates and token. Each may take `seconds`
    (PROBE_SECONDS).
    """
    seconds = PROBE_SECONDS if seconds is None else seconds
    for name, why in unusable_proxies().items():
        return f"{name} {why}"
    try:
        host, port = hub_address()
    except ValueError:
        return f"HF_ENDPOINT is {hub_url()!r}, which is no address"
    if not network_reachable(host, port, seconds):
        return f"{host} does not answer"
    import huggingface_hub.file_download  # here, so that its time is not the probe's

    ask = huggingface_hub.file_download.get_hf_file_metadata
    found: list[Exception | None] = []

    def try_it() -> None:
        try:
            answer = ask(f"{hub_url()}/{PROBE_FILE}", timeout=seconds)
            found.append(None if answer.commit_hash else ValueError("it is not a Hub that answers there"))
        except Exception as error:  # whatever it is would stop a download as well
            found.append(error)

    probe = threading.Thread(target=try_it, daemon=True)
    probe.start()
    probe.join(seconds)
    if not found:
        return f"{hub_host()} takes longer than {seconds} s to answer"
    return "" if found[0] is None else _why_refused(found[0])


def _why_refused(error: Exception) -> str:
    """What went wrong while the Hub was asked, as a sentence part."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    token = next((name for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN") if os.environ.get(name)), "")
    if status == 401 and token:
        return f"{hub_host()} does not take the token in {token}"
    if "ProxyError" in [kind.__name__ for kind in type(error).__mro__]:
        said = str(error).strip() or "no reason given"
        return f"the proxy {hub_address()[0]} does not let through to {hub_host()} ({said})"
    if status is not None:
        return f"{hub_host()} answers with status {status}"
    said = str(error).strip().partition("\n")[0]
    return f"{hub_host()} gives no file ({type(error).__name__}{': ' + said if said else ''})"


def network_reachable(host: str, port: int, seconds: float | None = None) -> bool:
    """Whether a TCP connection opens within `seconds` (PROBE_SECONDS), name look-up included.

    The look-up has no time-out of its own, so it runs in a thread that is left behind when it takes too long.
    """
    seconds = PROBE_SECONDS if seconds is None else seconds
    answered = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=seconds).close()
        except Exception:  # whatever stops us, a firewall or a blocked socket, means "not reachable"
            return
        answered.set()

    probe = threading.Thread(target=connect, daemon=True)
    probe.start()
    probe.join(seconds)
    return answered.is_set()


def hub_url() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def hub_host() -> str:
    return urlsplit(hub_url()).hostname or "huggingface.co"


def hub_address() -> tuple[str, int]:
    """(host, port) of what a download would connect to first: the proxy where there is one, else the Hub."""
    scheme = urlsplit(hub_url()).scheme
    proxies = getproxies()
    proxy = "" if proxy_bypass(hub_host()) else proxies.get(scheme) or proxies.get("all") or ""
    address = urlsplit((proxy if "://" in proxy else f"http://{proxy}") if proxy else hub_url())
    usual = {"http": 80, "socks5": 1080, "socks5h": 1080}.get(address.scheme, 443)
    return address.hostname or "huggingface.co", address.port or usual


def network_failed(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, says that another machine was not reached or gave nothing."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        if _is_of_the_network(error):
            return True
        seen.append(error)
        error = error.__cause__ or error.__context__
    return False


def _is_of_the_network(error: BaseException) -> bool:
    kinds = [(kind.__module__.partition(".")[0], kind.__name__) for kind in type(error).__mro__]
    clients, failures = ("httpx", "httpx2", "requests"), ("TransportError", "ConnectionError", "Timeout")
    response = getattr(error, "response", None)
    refused = getattr(response, "status_code", 0) in (407, 429, 500, 502, 503, 504)
    if not refused and not any(module in clients and name in failures for module, name in kinds):
        return False
    source: Any = error if response is None else response
    try:
        asked = urlsplit(str(source.request.url)).hostname
    except (AttributeError, RuntimeError):  # the error does not know what was asked
        return True
    return asked not in LOOPBACK

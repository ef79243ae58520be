"""What a user's shell and home bring along: proxies, certificates, and places that can't be written to.

Nothing here changes anything; `session` and the local Hub do, with what they learn here.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import ssl
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")  # each in small letters, too
CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
#: What the course and the libraries write: {variable: (a name for its folder, the folder without the
#: variable, the variable of its parent, the parent without that)}.
PLACES = {
    "COURSE_CACHE": ("course", "course-workbook", "", "~/.cache"),
    "COURSE_DATA": ("data", "course-workbook", "XDG_DATA_HOME", "~/.local/share"),
    "HF_HOME": ("huggingface", "huggingface", "XDG_CACHE_HOME", "~/.cache"),
}
#: Within HF_HOME, what even an offline lesson writes.
WRITTEN_IN_HF_HOME = {"HF_DATASETS_CACHE": "huggingface/datasets", "HF_MODULES_CACHE": "huggingface/modules"}
#: What else lies in a home, and is written elsewhere where the home can't be.
ELSEWHERE = {"MPLCONFIGDIR": "matplotlib", "IPYTHONDIR": "ipython"}


def past_proxies() -> dict[str, str]:
    """The variables that keep calls to this machine off every proxy; empty where there is none.

    What NO_PROXY lists already stays in it. What Windows and macOS say of proxies no longer counts once
    such a variable is there (`urllib.request.getproxies`), so it is written out beside it.
    """
    found = {scheme: url for scheme, url in getproxies().items() if scheme in ("http", "https", "all")}
    known = _past_proxies_already(os.environ)
    if not found or "*" in known:  # with "*" nothing goes through a proxy; in a list, some take it for a name
        return {}
    listed = ",".join(known + [each for each in LOOPBACK if each not in known])
    given = {name.lower() for name in os.environ}
    others = {f"{scheme}_proxy": url for scheme, url in found.items() if f"{scheme}_proxy" not in given}
    return {"NO_PROXY": listed, "no_proxy": listed} | others


def _past_proxies_already(environment: Mapping[str, str]) -> list[str]:
    lists = ",".join(environment.get(name, "") for name in ("NO_PROXY", "no_proxy"))
    return list(dict.fromkeys(each.strip() for each in lists.split(",") if each.strip()))


def unusable_proxies(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """{variable: what is wrong, as what follows it} for proxies with which no client could even be made."""
    if "*" in _past_proxies_already(environment):
        return {}
    names = [each for name in PROXIES for each in (name, name.lower()) if environment.get(each)]
    troubles = {name: _proxy_trouble(environment[name]) for name in names}
    return {name: trouble for name, trouble in troubles.items() if trouble}


def _proxy_trouble(proxy: str) -> str:
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        _ = parts.port
    except ValueError:
        return "is no address of a proxy"
    if parts.scheme not in ("http", "https", "socks5", "socks5h") or not parts.hostname:
        return f"begins with {parts.scheme}://, which no client here speaks (socks5:// may be what is meant)"
    if parts.scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        return f"begins with {parts.scheme}://, which needs a package: python -m pip install socksio"
    return ""


def stale_certificates(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """{variable: what is wrong, as what follows it} for variables that name no usable certificates."""
    named = {name: environment[name] for name in CERTIFICATES if environment.get(name)}
    usable = {path: _has_certificates(path) for path in set(named.values())}
    stale = [
        name
        for name, path in named.items()
        if not usable[path] or (name == "SSL_CERT_FILE" and os.path.isdir(path))  # the others take a folder
    ]
    return {name: f"names {named[name]}, where no certificates are" for name in stale}


def _has_certificates(path: str) -> bool:
    if os.path.isdir(path):
        return True
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:  # an SSLError is one
        return False
    return True


# Places to write to


def moved_places(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """{variable: a folder's name} for what must be written elsewhere, because its own place can't be.

    A COURSE_CACHE or COURSE_DATA that is set stays: whoever set it is told when it is used.
    """
    moved: dict[str, str] = {}
    for name, (part, *_) in PLACES.items():
        folder = place(name, environment)
        if can_write(folder) or (environment.get(name) and name.startswith("COURSE_")):
            continue
        if name == "HF_HOME" and _is_folder(folder):  # perhaps full of models, to be read only
            moved |= WRITTEN_IN_HF_HOME
        else:
            moved[name] = part
    for name, part in WRITTEN_IN_HF_HOME.items():
        if environment.get(name) and not can_write(Path(environment[name]).expanduser()):
            moved[name] = part
    if moved:
        moved |= {name: part for name, part in ELSEWHERE.items() if name not in environment}
    return moved


def place(name: str, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The folder that a variable of PLACES stands for; None where it hangs on a home that nobody knows."""
    _, own, parent, usual = PLACES[name]
    folder = Path(environment.get(name) or Path(environment.get(parent) or usual, own))
    try:
        return folder.expanduser()
    except RuntimeError:  # no HOME, and this user is in no list
        return None


def can_write(folder: Path | None) -> bool:
    """Whether a file can be made in a folder, which is made if it is not there."""
    try:
        if folder is None:
            return False
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _is_folder(folder: Path | None) -> bool:
    with contextlib.suppress(OSError):
        return folder is not None and folder.is_dir()
    return False


def spare_folder(needed: Iterable[str]) -> Path:
    """A folder of this user's among the temporary ones; where there is none, OSError names what to set."""
    try:
        folder = Path(tempfile.gettempdir(), f"course-workbook-{getattr(os, 'getuid', int)()}")
        folder.mkdir(mode=0o700, exist_ok=True)
        ours = not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()
        return folder if ours and can_write(folder) else Path(tempfile.mkdtemp(prefix="course-workbook-"))
    except OSError as error:
        raise OSError(
            "Neither the home nor the folder for temporary files can be written to "
            f"({error.strerror or error}). Set each of these to a folder that you may write to: "
            f"TMPDIR, {', '.join(needed)}."
        ) from error

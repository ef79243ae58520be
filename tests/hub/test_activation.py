"""The libraries point at the Hub while it is open, and exactly where they did before once it is closed."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import huggingface_hub as hf
import pytest

from course_utils import pinned
from course_utils.hub import LocalHub
from course_utils.hub.activation import SETTINGS_MODULES, VARIABLES
from course_utils.pinned import BEFORE_CACHE, BEFORE_ENDPOINT

# Imports everything first, as a notebook would; then looks at all settings before, during and after.
ALL_IMPORTED = """
import json, os, sys
os.environ["HF_TOKEN"] = "hf_the_learners_own"
import huggingface_hub, datasets, evaluate, transformers.utils.hub
from huggingface_hub import constants, hf_api, HfFileSystem
from huggingface_hub.utils import _http
from course_utils.hub import LocalHub

PLAIN = (str, int, bool, type(None), frozenset, tuple)

def settings():
    found = {}
    for module in (constants, datasets.config, evaluate.config):
        found |= {(module.__name__, k): str(v) for k, v in vars(module).items() if not k.startswith("__")
                  and (isinstance(v, PLAIN) or "Path" in type(v).__name__)}
    found["env"] = {k: v for k, v in os.environ.items() if k.startswith(("HF_", "HUGGING", "NO_PROXY", "no_proxy", "DIS"))}
    found["api"] = hf_api.api.endpoint
    found["origins"] = _http._HUB_ORIGINS
    return found

before = settings()
for turn in range(2):
    with LocalHub(seeded=False) as hub:
        assert hf_api.api.endpoint == constants.ENDPOINT == datasets.config.HF_ENDPOINT == evaluate.config.HF_ENDPOINT == hub.url
        home = str(hub.root / "homes" / "me")
        for path in (constants.HF_HUB_CACHE, datasets.config.HF_DATASETS_CACHE, evaluate.config.HF_EVALUATE_CACHE):
            assert str(path).startswith(home), path
        assert huggingface_hub.get_token() == hub.token and "HF_TOKEN" not in os.environ
        assert not constants.is_offline_mode() and not datasets.config.USE_PARQUET_EXPORT
        assert constants.HF_HUB_DISABLE_XET
        hub.seed("me/table", {"data.csv": "a\\n1\\n"}, kind="dataset")
        assert datasets.load_dataset("me/table", split="train")["a"] == [1]
        assert huggingface_hub.hf_hub_download("me/table", "data.csv", repo_type="dataset").startswith(home)
    after = settings()
    assert after == before, {k: (before.get(k), after.get(k)) for k in before.keys() | after.keys() if before.get(k) != after.get(k)}
assert huggingface_hub.get_token() == "hf_the_learners_own"
print("as before")
"""
# Imports the libraries only while a Hub is open.
IMPORTED_LATER = """
import os
os.environ["HF_HUB_OFFLINE"] = "1"
from course_utils.hub import LocalHub
import socket
before, asked, look_up = dict(os.environ), [], socket.getaddrinfo
socket.getaddrinfo = lambda host, *more, **how: asked.append(str(host)) or look_up(host, *more, **how)
with LocalHub(seeded=False) as hub:
    import huggingface_hub, datasets
    hub.seed("me/table", {"data.csv": "a\\n1\\n"}, kind="dataset")
    assert datasets.load_dataset("me/table", split="train")["a"] == [1]
    assert set(asked) == {"127.0.0.1"}, asked
    assert not datasets.config.USE_PARQUET_EXPORT
    from huggingface_hub import constants
    assert constants.ENDPOINT == hub.url and not constants.HF_HUB_OFFLINE
    assert huggingface_hub.whoami()["name"] == "me"
assert constants.ENDPOINT == "https://huggingface.co" == datasets.config.HF_ENDPOINT
assert constants.HF_HOME == datasets.config.HF_CACHE_HOME == os.environ["HF_HOME"]
assert constants.HF_HUB_OFFLINE and datasets.config.HF_HUB_OFFLINE and datasets.config.USE_PARQUET_EXPORT
assert str(datasets.config.HF_DATASETS_CACHE).startswith(os.environ["HF_HOME"])
assert {k: v for k, v in os.environ.items() if k in before} == before
print("as before")
"""


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | environment,
    )


@pytest.mark.slow
def test_everything_was_imported_before():
    done = run(ALL_IMPORTED)
    assert done.stdout.split() == ["as", "before"], done.stderr


def test_libraries_imported_while_a_hub_is_open():
    done = run(IMPORTED_LATER)
    assert done.stdout.split() == ["as", "before"], done.stderr


def test_a_dead_proxy_and_an_offline_setting_are_in_nobodys_way():
    code = "import huggingface_hub as hf\nfrom course_utils.hub import LocalHub\nwith LocalHub(seeded=False): print(hf.whoami()['name'])"
    proxy = "http://127.0.0.1:9"
    done = run(code, HTTP_PROXY=proxy, HTTPS_PROXY=proxy, http_proxy=proxy, HF_HUB_OFFLINE="1")
    assert done.stdout.split() == ["me"], done.stderr


SHELLS = [
    {"ALL_PROXY": "socks5://127.0.0.1:9"},
    {"ALL_PROXY": "socks://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"},
    {"SSL_CERT_FILE": "/no/such/file.pem", "REQUESTS_CA_BUNDLE": "/no/such/file.pem"},
]


@pytest.mark.parametrize("shell", SHELLS, ids=["socks5", "socks", "certificates"])
def test_what_a_shell_says_of_the_network_is_in_nobodys_way_on_this_machine(monkeypatch, shell):
    from huggingface_hub.utils import close_session

    close_session()  # the client reads the shell when it is made
    for name, value in shell.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    with LocalHub(seeded=False):
        hf.create_repo("thing")
        hf.upload_file(path_or_fileobj=b"a", path_in_repo="a.txt", repo_id="me/thing")
        assert Path(hf.hf_hub_download("me/thing", "a.txt")).read_bytes() == b"a"
    assert dict(os.environ) == before


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_hub_answers_under_the_name_by_which_it_was_asked(name, tmp_path):
    """The client takes no address for its Hub's that names another host than HF_ENDPOINT does."""
    with LocalHub(seeded=False).start() as hub:
        url = hub.url.replace("127.0.0.1", name)
        api = hf.HfApi(endpoint=url, token=hub.token)
        assert str(api.create_repo("thing")).startswith(url)
        big = os.urandom(3000)  # binary: it goes to where the Hub says that large files go
        for path, content in {"a.txt": b"a", "b.bin": big}.items():
            done = api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id="me/thing")
            assert done.commit_url.startswith(url)
        there = api.hf_hub_download("me/thing", "b.bin", cache_dir=tmp_path)
        assert Path(there).read_bytes() == big
        assert api.create_discussion("me/thing", title="why").url.startswith(url)
        assert hub.url.startswith("http://127.0.0.1:")


def test_the_settings_modules_are_where_they_were():
    """A new version of a library that has moved its settings is seen here first."""
    for name in SETTINGS_MODULES:
        package, _, module = name.partition(".")
        folder = Path(importlib.util.find_spec(package).origin).parent
        source = (folder / f"{module}.py").read_text()
        assert any(variable in source for variable in VARIABLES)


def test_each_user_has_a_cache_and_a_token_of_their_own(hub):
    hub.add_user("ada")
    hub.seed("me/secret", {"a.txt": "a"}, private=True)
    hf.hf_hub_download("me/secret", "a.txt")
    with hub.as_user("ada"):
        assert hf.whoami()["name"] == "ada" == hub.user
        with pytest.raises(hf.errors.RepositoryNotFoundError):  # not even from a cache
            hf.hf_hub_download("me/secret", "a.txt")
        with hub.as_user(None):
            assert hf.get_token() is None and hub.token is None
        assert hf.whoami()["name"] == "ada"
    assert hf.whoami()["name"] == "me"
    with pytest.raises(KeyError, match="no account 'eve'"), hub.as_user("eve"):
        pass


def test_the_token_lies_in_a_file_for_its_owner_alone(hub):
    for path in (hub.root / "tokens.json", hub.root / "homes" / "me" / "token"):
        assert path.stat().st_mode & 0o777 == 0o600
    assert hub.root.stat().st_mode & 0o077 == 0
    hf.whoami()
    assert hub.token not in repr(hub.events)


def test_two_hubs_never_share_a_folder(tmp_path):
    from course_utils.hub import RootInUse

    with LocalHub(tmp_path / "root", seeded=False) as first:
        hf.create_repo("thing")
        with pytest.raises(RootInUse, match="Another Hub is running"):
            LocalHub(tmp_path / "root").open()
        assert hf.repo_exists("me/thing")
        token = first.token
    with LocalHub(tmp_path / "root", seeded=False) as second:
        assert second.repo("me/thing").exists and second.token == token


def test_a_closed_hub_leaves_nothing(tmp_path):
    hub = LocalHub(seeded=False).open()
    root = hub.root
    hub.close()
    hub.close()
    assert not root.exists()
    with pytest.raises(RuntimeError, match="not running"):
        _ = hub.url


def test_a_clock_that_stands_still_gives_the_same_commits():
    def work():
        with LocalHub(seeded=False, clock="2026-01-01T00:00:00Z") as hub:
            hub.seed("me/thing", {"a.txt": "a"})
            hub.seed("me/thing", {"a.txt": "b"}, tag="v1")
            return [(each.id, each.date.isoformat()) for each in hub.repo("me/thing").commits()]

    first = work()
    assert first == work()
    assert first[-1][1] == "2026-01-01T00:00:00+00:00" and first[0][1] == "2026-01-01T00:00:02+00:00"


def test_a_forked_child_leaves_its_parents_hub_alone(hub):
    child = os.fork()
    if child == 0:
        hub.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert hub.root.exists() and hf.whoami()["name"] == "me"


def test_seeding_again_leaves_visibility_as_it_is(hub):
    hub.seed("me/thing", {"a.txt": "a"}, private=True, gated="auto")
    view = hub.seed("me/thing", {"a.txt": "b"})
    assert view.private and view.gated == "auto" and view.text("a.txt") == "b"


def test_the_catalogs_repositories_are_read_where_they_were_before(tmp_path, monkeypatch):
    """Else a lesson with a Hub of its own would ask that Hub for google/flan-t5-small."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", BEFORE_ENDPOINT, BEFORE_CACHE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    before = {
        "endpoint": "http://127.0.0.1:9",
        "cache_dir": str(tmp_path / "home" / "hub"),
        "token": False,
    }
    assert pinned.source() == {}
    with LocalHub(seeded=False) as hub:
        assert pinned.source() == before
        with hub.as_user(None):
            assert pinned.source() == before
        with LocalHub(seeded=False):
            assert pinned.source() == before
    assert pinned.source() == {}
